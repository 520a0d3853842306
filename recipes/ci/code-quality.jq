# The lines of `dism-mount-status --format jsonl` as a code quality report of GitLab: jq --slurp --from-file code-quality.jq
#
# An issue per mounted image, and one per capture that could not be read. The fingerprint is the mount and its status, wherever the
# capture lies; code quality allows any text.
map({
  description: (
    if .error then "Could not be read: \(.error.message)"
    else "\(.mount_path // "(no path)") is \(.possible_statuses | join(" or ")): \([.findings[].message] | join("; "))"
    end
  ),
  check_name: (if .error then "evidence-unreadable" else .findings[0].code // "mounted" end),
  fingerprint: (
    [.evidence, .part // "", .registry_key // "", .mount_path // "", .mount_status // "unreadable"] | join("|") | @base64
  ),
  severity: (
    if .error then "blocker"
    else { Ok: "info", NeedsRemount: "major", Invalid: "critical" }[.mount_status]
    end
  ),
  location: { path: .evidence, lines: { begin: 1 } }
})
