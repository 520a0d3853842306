//! Text as HTML: nothing from evidence becomes markup, and nothing of it acts unseen.

use std::fmt::Write;

use dism_mount_status::WideString;
use dism_mount_status::visible::visible;

use crate::format::wording;

/// Text of ours and of messages, fit for elements and for quoted attributes.
pub(super) fn text(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in visible(text).chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(c),
        }
    }
    escaped
}

/// Text that stands in evidence, set apart from what stands around it. A path may be broken behind its separators, an
/// escaped character not.
pub(super) fn evidence(evidence: &str) -> String {
    let text = text(evidence)
        .replace('/', "/<wbr>")
        .replace('\\', "\\<wbr>")
        .replace("\\<wbr>u{", "\\u{");
    format!("<span class=\"evidence\">{text}</span>")
}

/// A text of the registration.
pub(super) fn recorded(recorded: Option<&WideString>) -> String {
    match recorded {
        Some(path) if !path.is_empty() => evidence(&wording::recorded(recorded)),
        _ => text(&wording::recorded(recorded)),
    }
}

/// A message, in which backquotes set commands and names apart.
pub(super) fn message(message: &str) -> String {
    let parts: Vec<&str> = message.split('`').collect();
    let mut html = String::new();
    for (number, part) in parts.iter().enumerate() {
        let is_quoted = number % 2 == 1;
        // A backquote without another is only that.
        let _ = match (is_quoted, number + 1 == parts.len()) {
            (true, false) => write!(html, "<code>{}</code>", text(part)),
            (true, true) => write!(html, "`{}", text(part)),
            (false, _) => write!(html, "{}", text(part)),
        };
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_in_text_is_text() {
        assert_eq!(
            text("<b a=\"x\" b='y'>&amp;\u{202e}\n"),
            "&lt;b a=&quot;x&quot; b=&#39;y&#39;&gt;&amp;amp;\\u{202e}\\u{a}"
        );
    }

    #[test]
    fn paths_may_be_broken_behind_their_separators() {
        assert_eq!(
            evidence("C:\\a/b\u{202e}<"),
            "<span class=\"evidence\">C:\\<wbr>a/<wbr>b\\u{202e}&lt;</span>"
        );
    }

    #[test]
    fn backquotes_set_commands_apart() {
        assert_eq!(message("run `dism /x` now"), "run <code>dism /x</code> now");
        assert_eq!(message("a ` b"), "a ` b");
        assert_eq!(message("`<`"), "<code>&lt;</code>");
    }
}
