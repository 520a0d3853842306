//! How text made for reading is laid out: width, colours, hanging indents.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use textwrap::core::Word;
use textwrap::{Options, WordSeparator, WordSplitter, WrapAlgorithm};

/// The width where no terminal tells one.
const DEFAULT_WIDTH: usize = 80;

/// Longer lines are hard to read, shorter ones have no room for words.
const WIDTHS: std::ops::RangeInclusive<usize> = 40..=100;

/// How many of a kind are shown to people, such as the warnings of a capture; the JSON form has them all.
pub(crate) const MOST: usize = 10;

/// What is said of those that are more than [`MOST`].
pub(crate) fn left_out(count: usize) -> Option<String> {
    let more = count.checked_sub(MOST).filter(|more| *more > 0)?;
    Some(format!("and {more} more, which `--format json` shows"))
}

/// What text may look like where it goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layout {
    width: usize,
    is_colored: bool,
}

impl Layout {
    /// A layout for a terminal of this width, or for what is none.
    pub(crate) fn new(width: Option<usize>, is_colored: bool) -> Self {
        let width = width.unwrap_or(DEFAULT_WIDTH);
        Layout {
            width: width.clamp(*WIDTHS.start(), *WIDTHS.end()),
            is_colored,
        }
    }

    /// The text in a style, where there are colours.
    pub(crate) fn styled(self, style: Style, text: &str) -> String {
        match self.is_colored {
            true => format!("{style}{text}{style:#}"),
            false => text.to_owned(),
        }
    }

    /// Writes text on as many lines as it takes: the first begins with `first`, the others with as many blanks.
    ///
    /// Words are never broken, nor is what stands in backquotes: both may be there to be copied.
    pub(crate) fn paragraph(self, first: &str, text: &str, out: &mut dyn Write) -> io::Result<()> {
        let rest = " ".repeat(textwrap::core::display_width(first));
        let options = Options::new(self.width)
            .initial_indent(first)
            .subsequent_indent(&rest)
            .break_words(false)
            .wrap_algorithm(WrapAlgorithm::FirstFit)
            .word_separator(WordSeparator::Custom(words))
            .word_splitter(WordSplitter::NoHyphenation);
        for line in textwrap::wrap(text, options) {
            writeln!(out, "{line}")?;
        }
        Ok(())
    }
}

/// Words end at blanks, but for those between backquotes.
fn words(line: &str) -> Box<dyn Iterator<Item = Word<'_>> + '_> {
    let mut rest = line;
    Box::new(std::iter::from_fn(move || {
        let mut is_quoted = false;
        let mut is_blank = false;
        let end = rest.char_indices().find_map(|(at, c)| {
            is_quoted ^= c == '`';
            let starts_next = is_blank && c != ' ';
            is_blank = c == ' ' && !is_quoted;
            starts_next.then_some(at)
        });
        let (word, after) = rest.split_at(end.unwrap_or(rest.len()));
        rest = after;
        (!word.is_empty()).then(|| Word::from(word))
    }))
}

/// For names of things.
pub(crate) const HEADING: Style = Style::new().bold();
/// For what is good.
pub(crate) const GOOD: Style = color(AnsiColor::Green);
/// For what wants attention.
pub(crate) const DOUBTFUL: Style = color(AnsiColor::Yellow);
/// For what is bad.
pub(crate) const BAD: Style = color(AnsiColor::Red);
/// For what is to be copied.
pub(crate) const COMMAND: Style = color(AnsiColor::Cyan);
/// For what is there to be looked up.
pub(crate) const FAINT: Style = Style::new().dimmed();

const fn color(color: AnsiColor) -> Style {
    Style::new()
        .bold()
        .fg_color(Some(anstyle::Color::Ansi(color)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn wrapped(width: usize, first: &str, text: &str) -> String {
        let mut out = Vec::new();
        let layout = Layout::new(Some(width), false);
        layout.paragraph(first, text, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn lines_hang_below_the_first_word() {
        assert_eq!(
            wrapped(40, "  - ", "one two three four five six seven eight nine"),
            "  - one two three four five six seven\n    eight nine\n"
        );
    }

    #[test]
    fn wide_letters_take_two_columns() {
        let text = "映像文件 ".repeat(9);
        let lines = wrapped(40, "- ", text.trim_end());
        assert!(
            lines
                .lines()
                .all(|line| textwrap::core::display_width(line) <= 40)
        );
        assert_eq!(lines.lines().count(), 3);
    }

    #[test]
    fn paths_and_commands_are_not_broken() {
        let path = r"C:\a-long-path\that-has-no-blanks\and-does-not-fit\into-forty-columns";
        let command = r#"`dism /Remount-Image /MountDir:"C:\with blanks\and  more of them"`"#;
        let text = format!("see {path} first, then {command} or not");
        assert_eq!(
            wrapped(40, "", &text),
            format!("see\n{path}\nfirst, then\n{command}\nor not\n")
        );
    }

    #[test]
    fn narrow_terminals_still_get_words() {
        assert_eq!(wrapped(1, "", "one two"), "one two\n");
    }

    proptest! {
        #[test]
        fn wrapping_changes_nothing_but_blanks(text in "[a-c` 文]{0,200}", width in 0_usize..120) {
            let bare = |text: &str| text.split_whitespace().collect::<String>();
            prop_assert_eq!(bare(&wrapped(width, "    ", &text)), bare(&text));
        }
    }
}
