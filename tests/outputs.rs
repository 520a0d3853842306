//! Hostile text is shown safely in every format, and kept exactly in JSON; each format holds what its readers ask for.
#![cfg(feature = "cli")]

#[path = "support/command_line.rs"]
mod command_line;

use std::fs;
use std::path::Path;

use command_line::{FORMATS, Run, evidence, run, run_with};
use dism_mount_status::WideString;
use serde_json::Value;
use tempfile::TempDir;

/// Mount directories that mean something to one reader or another.
const HOSTILE: [&str; 14] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "C:\\&lt;b&gt;&amp;",
    "`</code><svg onload=alert(1)>`",
    "=cmd|'/c calc'!A1",
    "+1,\"quoted\",\n=2",
    "-2+3;=1+1;@x",
    "@SUM(1+1)\r\n::error::forged",
    "%0A::error file=a,title=b::forged%0D",
    "[click](http://example.com)",
    "C:\\\u{1b}]8;;http://example.com\u{7}\u{9b}31m",
    "C:\\\u{202e}gpj.\u{2066}\u{200b}\u{feff}\u{2028}",
    "C:\\\u{e000}\u{10ffff}\u{fffd}\u{85}",
    "\u{a0}=1\t",
];

/// One registration for each hostile text, which is its mount directory and its image file, and one of lone surrogates.
fn write_hostile(folder: &Path) {
    let mut text = String::from("Windows Registry Editor Version 5.00\r\n\r\n");
    let key = r"[HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\WIMMount\Mounted Images";
    for (number, hostile) in HOSTILE.iter().enumerate() {
        let value = hostile.replace('\\', r"\\").replace('"', "\\\"");
        text += &format!(
            "{key}\\{{{number:08x}-66ed-4958-b9ec-c49b07eaeeb5}}]\r\n\"WIM Path\"=\"{value}\"\r\n\
             \"Mount Path\"=\"{value}\"\r\n\"Image Index\"=dword:1\r\n\"Status\"=dword:3\r\n\r\n"
        );
    }
    text += &format!("{key}\\<b>&\u{202e}]\r\n\"Mount Path\"=\"lone #\"\r\n\"<i>\"=\"<u>\"\r\n");
    let units = text.encode_utf16();
    let units = units.map(|unit| {
        if unit == u16::from(b'#') {
            0xD800
        } else {
            unit
        }
    });
    let bytes = WideString::from_units(units.collect()).to_utf16le();
    let bytes = [&[0xFF, 0xFE][..], &bytes].concat();
    fs::write(folder.join("hostile.reg"), bytes).unwrap();
}

fn hostile() -> TempDir {
    let folder = TempDir::new().unwrap();
    write_hostile(folder.path());
    folder
}

fn hostile_output(format: &str) -> String {
    let folder = hostile();
    let run = run(folder.path(), &["--format", format, "hostile.reg"]);
    assert_eq!(run.code, 1, "{format}");
    run.stdout
}

fn acts_on_its_surroundings(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}')
}

#[test]
fn no_format_for_people_lets_evidence_act_on_its_surroundings() {
    for format in FORMATS {
        if ["json", "jsonl", "timeline"].contains(&format) {
            continue;
        }
        let output = hostile_output(format);
        let is_ours = |c| c == '\n' || (c == '\r' && format == "csv");
        let acting = output
            .chars()
            .find(|&c| acts_on_its_surroundings(c) && !is_ours(c));
        assert_eq!(acting, None, "{format}");
    }
}

#[test]
fn json_keeps_every_text_exactly_and_controls_escaped() {
    for format in ["json", "jsonl"] {
        let output = hostile_output(format);
        assert!(!output.chars().any(|c| c.is_ascii_control() && c != '\n'));
        assert!(output.contains(r#""lone \ud800""#), "{format}");
        let output = output.replace(r"\ud800", "lone");
        let paths: Vec<Value> = match format {
            "json" => {
                let report: Value = serde_json::from_str(&output).unwrap();
                let images = report["captures"][0]["mounted_images"].as_array().unwrap();
                images
                    .iter()
                    .map(|image| image["mount_path"].clone())
                    .collect()
            }
            _ => output
                .lines()
                .map(|line| serde_json::from_str::<Value>(line).unwrap()["mount_path"].clone())
                .collect(),
        };
        assert_eq!(paths[..HOSTILE.len()], HOSTILE, "{format}");
    }
}

#[test]
fn csv_is_read_back_by_others_and_has_no_formulas() {
    let output = hostile_output("csv");
    assert!(output.ends_with("\r\n"));
    assert_eq!(output.matches("\r\n").count(), HOSTILE.len() + 2);
    assert_eq!(output.matches('\n').count(), output.matches("\r\n").count());
    let mut reader = csv::Reader::from_reader(output.as_bytes());
    let headers = reader.headers().unwrap().clone();
    assert_eq!(headers.len(), 21);
    let column = |name| headers.iter().position(|header| header == name).unwrap();
    let mut paths = Vec::new();
    for record in reader.records() {
        let record = record.unwrap();
        assert_eq!(&record[column("record")], "mounted-image");
        for cell in &record {
            for start in cell.split(';') {
                assert!(
                    !start.starts_with(['=', '+', '-', '@', '\t', '\r']),
                    "{cell}"
                );
            }
        }
        paths.push(record[column("mount_path")].to_owned());
    }
    assert_eq!(paths[4], "'=cmd|'/c calc'!A1");
    assert_eq!(paths[5], "'+1,\"quoted\",\\u{a}=2");
    assert_eq!(paths[6], "'-2+3;'=1+1;'@x");
    assert_eq!(paths[HOSTILE.len()], "lone \\u{d800}");
}

#[test]
fn csv_has_a_row_for_every_capture() {
    let folder = evidence();
    let run = run(
        folder.path(),
        &[
            "--format=csv",
            "none.reg",
            "-",
            "mounted.reg",
            "missing.reg",
        ],
    );
    assert_eq!(run.code, 2);
    let rows: Vec<Vec<String>> = csv::Reader::from_reader(run.stdout.as_bytes())
        .records()
        .map(|record| record.unwrap().iter().map(str::to_owned).collect())
        .collect();
    let records: Vec<(&str, &str)> = rows.iter().map(|row| (&*row[0], &*row[1])).collect();
    assert_eq!(
        records,
        [
            ("no-mounts-found", "none.reg"),
            ("unreadable", "-"),
            ("mounted-image", "mounted.reg"),
            ("unreadable", "missing.reg"),
        ]
    );
    assert!(rows[3].last().unwrap().contains("cannot read"));
}

#[test]
fn annotations_are_lines_that_evidence_cannot_forge() {
    let output = hostile_output("github");
    assert_eq!(output.lines().count(), HOSTILE.len() + 1);
    for line in output.lines() {
        let rest = line.strip_prefix("::error file=hostile.reg,title=Mounted image%3A Invalid");
        let (properties, message) = rest.unwrap().split_once("::").unwrap();
        assert!(!properties.contains([',', ':']), "{line}");
        let escapes = message.split('%').skip(1);
        assert!(
            escapes
                .into_iter()
                .all(|rest| rest.starts_with("25") || rest.starts_with("0A"))
        );
    }
    assert!(output.contains("%250A::error file=a,title=b::forged%250D"));
}

#[test]
fn an_annotation_is_an_error_where_the_exit_code_says_so() {
    let folder = evidence();
    let levels = |arguments: &[&str]| {
        let arguments = [&["--format=github", "broken.reg", "mounted.reg"], arguments].concat();
        let Run { code, stdout, .. } = run(folder.path(), &arguments);
        let levels = stdout
            .lines()
            .map(|line| line[2..].split(' ').next().unwrap().to_owned());
        (code, levels.collect::<Vec<_>>())
    };
    let case = |code, levels: [&str; 2]| (code, levels.map(str::to_owned).to_vec());
    assert_eq!(levels(&[]), case(1, ["error", "notice"]));
    assert_eq!(levels(&["--captured=stopped"]), case(1, ["error", "error"]));
    assert_eq!(
        levels(&["--captured=stopped", "--fail-on=invalid"]),
        case(1, ["error", "warning"])
    );
    assert_eq!(levels(&["--fail-on=any"]), case(1, ["error", "error"]));
    assert_eq!(levels(&["--fail-on=never"]), case(0, ["error", "notice"]));
    let unread = run(folder.path(), &["--format=github", "a,b:c.reg", "none.reg"]);
    assert!(
        unread.stdout.starts_with(
            "::error file=a%2Cb%3Ac.reg,title=Evidence could not be read::cannot read: "
        )
    );
    assert_eq!(unread.stdout.lines().count(), 1);
}

/// The elements of a page in their order, each closed where it has to be; what stands in style and script is left out.
fn elements(html: &str) -> Vec<String> {
    const VOID: [&str; 3] = ["meta", "input", "wbr"];
    let mut rest = html.strip_prefix("<!DOCTYPE html>\n").unwrap();
    let (mut open, mut all): (Vec<String>, Vec<String>) = Default::default();
    while let Some((before, tag)) = rest.split_once('<') {
        assert!(!before.contains('>'), "{before}");
        let (tag, behind) = tag.split_once('>').unwrap();
        assert!(!tag.contains('<'), "{tag}");
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        rest = behind;
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name));
            continue;
        }
        let name = tag.split(' ').next().unwrap().to_owned();
        if ["style", "script"].contains(&&*name) {
            let end = format!("</{name}>");
            rest = rest.split_once(&end).unwrap().1;
        } else if !VOID.contains(&&*name) {
            open.push(name.clone());
        }
        all.push(name);
    }
    assert_eq!(open, [] as [String; 0]);
    all
}

#[test]
fn html_holds_no_element_attribute_or_reference_that_is_not_ours() {
    let output = hostile_output("html");
    let elements = elements(&output);
    let ours = [
        "html", "head", "meta", "title", "style", "body", "header", "h1", "h2", "h3", "h4", "p",
        "ul", "li", "b", "main", "form", "input", "label", "table", "thead", "tbody", "tr", "th",
        "td", "a", "span", "section", "article", "div", "dl", "dt", "dd", "code", "small", "pre",
        "footer", "script", "wbr",
    ];
    for element in &elements {
        assert!(ours.contains(&&**element), "{element}");
    }
    let count = |name: &str| elements.iter().filter(|element| *element == name).count();
    assert_eq!((count("script"), count("style")), (1, 1));
    assert_eq!(count("article"), HOSTILE.len() + 1);
    // Where paths may be broken is no part of their text.
    let output = output.replace("<wbr>", "");
    assert!(output.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    assert!(output.contains("&quot;&gt;&lt;img src=x onerror=alert(1)&gt;"));
    // Nothing is loaded: links lead into the page itself.
    for attribute in ["src=\"", "srcset=", "url(", "@import", "<link", "style=\""] {
        assert!(!output.contains(attribute), "{attribute}");
    }
    let targets = output.split("href=\"").skip(1);
    assert!(
        targets
            .into_iter()
            .all(|target| target.starts_with("#entry-"))
    );
}

#[test]
fn html_shows_everything_that_the_table_shows() {
    let folder = evidence();
    let arguments = ["mounted.reg", "broken.reg", "none.reg", "missing.reg"];
    let html = run(
        folder.path(),
        &[&["--format=html"][..], &arguments].concat(),
    )
    .stdout;
    for text in [
        "2 mounted images in 4 captures",
        "<h2><span class=\"evidence\">broken.reg</span></h2>",
        "unmounting began and did not end (Status 3)",
        "dism /Unmount-Image /MountDir:&quot;C:\\mount\\0&quot; /Discard",
        "This destroys changes that were not committed.",
        "Nothing is mounted:",
        "Could not be read: cannot read: ",
        "<code>partially-unmounted</code>",
    ] {
        assert!(html.contains(text), "{text}");
    }
}

#[test]
fn the_timeline_of_hostile_evidence_has_no_events_without_times() {
    assert_eq!(hostile_output("timeline"), "");
}

#[test]
fn the_summary_counts_captures_images_and_errors() {
    let folder = evidence();
    let arguments = [
        "--format=summary",
        "mounted.reg",
        "broken.reg",
        "none.reg",
        "missing.reg",
    ];
    let summary = run(folder.path(), &arguments);
    assert_eq!(summary.code, 2);
    assert_eq!(
        summary.stdout,
        "captures                    4\n\
         \x20 could not be read         1\n\
         mounted images              2\n\
         \x20 Ok or NeedsRemount        1\n\
         \x20 Invalid                   1\n\
         orphaned mount directories  0\n\
         warnings                    0\n"
    );
    let table = run(folder.path(), &arguments[1..]).stdout;
    let last =
        "\n4 captures. 2 mounted images: 1 Ok or NeedsRemount, 1 Invalid. 1 could not be\nread.\n";
    assert!(table.ends_with(last), "{table}");
}

#[test]
fn standard_input_is_named_in_every_format() {
    let folder = evidence();
    let mounted = fs::read(folder.path().join("broken.reg")).unwrap();
    for format in FORMATS {
        let run = run_with(folder.path(), &["--format", format, "-"], |command| {
            command.write_stdin(mounted.as_slice());
        });
        assert_eq!((run.code, &*run.stderr), (1, ""), "{format}");
        let name = match format {
            "table" | "html" => "standard input",
            "json" => "\"evidence\": \"-\"",
            "jsonl" => "\"evidence\":\"-\"",
            "csv" => "\r\nmounted-image,-,",
            "sarif" => "\"uri\": \"-\"",
            "github" => "::error title=",
            // They do not name evidence, or tell of no time here.
            _ => continue,
        };
        assert!(run.stdout.contains(name), "{format}: {}", run.stdout);
    }
}
