//! Text from evidence, made safe to look at.

use crate::wide_string::WideString;

/// The text with everything that would hide, move or turn other text shown as its code point: `\u{202e}`.
///
/// Evidence can hold terminal sequences, line breaks that forge further lines, characters that make a path look like another, and
/// what a CI system that shows the text takes for a command to itself: `##[group]`, `##vso[task.complete]`.
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    text.chars().for_each(|c| push(&mut shown, c));
    shown
}

/// The same for text as Windows keeps it; lone surrogates are shown as they are: `\u{d800}`.
pub fn visible_wide(text: &WideString) -> String {
    let mut shown = String::with_capacity(text.as_units().len());
    for decoded in char::decode_utf16(text.as_units().iter().copied()) {
        match decoded {
            Ok(c) => push(&mut shown, c),
            Err(lone) => shown.push_str(&format!("\\u{{{:x}}}", lone.unpaired_surrogate())),
        }
    }
    shown
}

fn push(shown: &mut String, c: char) {
    match deceives(c) || (c == '#' && shown.ends_with('#')) {
        true => shown.extend(c.escape_unicode()),
        false => shown.push(c),
    }
}

/// Whether a character acts on the terminal or its neighbours, is not seen, or cannot be told from a space.
///
/// These are Unicode's categories Cc, Cf, Zl and Zp, the spaces of Zs but for U+0020 and the wide U+3000, variation
/// selectors, the blank letters, and the noncharacters of the first plane.
pub(crate) fn deceives(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{A0}' | '\u{AD}' | '\u{34F}' | '\u{600}'..='\u{605}' | '\u{61C}' | '\u{6DD}' | '\u{70F}'
            | '\u{890}'..='\u{891}' | '\u{8E2}' | '\u{115F}'..='\u{1160}' | '\u{1680}' | '\u{17B4}'..='\u{17B5}'
            | '\u{180B}'..='\u{180F}' | '\u{2000}'..='\u{200F}' | '\u{2028}'..='\u{202F}' | '\u{205F}'..='\u{206F}'
            | '\u{2800}' | '\u{3164}' | '\u{FDD0}'..='\u{FDEF}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}'
            | '\u{FFF0}'..='\u{FFFB}' | '\u{FFFE}'..='\u{FFFF}' | '\u{110BD}' | '\u{110CD}' | '\u{13430}'..='\u{1343F}'
            | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_acts_on_the_terminal_is_shown_as_code_points() {
        assert_eq!(
            visible("a\u{1b}[31m\r\nb\u{202e}gpj\u{200b}\u{feff}\u{9b}"),
            "a\\u{1b}[31m\\u{d}\\u{a}b\\u{202e}gpj\\u{200b}\\u{feff}\\u{9b}"
        );
    }

    #[test]
    fn nothing_is_a_command_to_a_ci_system() {
        assert_eq!(visible("a##[error]b"), "a#\\u{23}[error]b");
        assert_eq!(visible_wide(&"###vso[x]".into()), "#\\u{23}#vso[x]");
        assert_eq!(visible("C# #1"), "C# #1");
    }

    #[test]
    fn ordinary_names_of_all_scripts_stay_as_they_are() {
        let names = r#"C:\Bücher\Привет\映像　文件\ไทยที่\हिन्दी\עברית\😀 "a" 'b' `c` é"#;
        assert_eq!(visible(names), names);
        assert_eq!(visible_wide(&names.into()), names);
    }

    #[test]
    fn lone_surrogates_are_told_apart() {
        let text = WideString::from_units(vec![0x43, 0xD800, 0x3A, 0xDC01, 0x1B]);
        assert_eq!(visible_wide(&text), "C\\u{d800}:\\u{dc01}\\u{1b}");
    }

    proptest! {
        #[test]
        fn nothing_that_deceives_is_left_of_any_text(units: Vec<u16>) {
            let text = WideString::from_units(units);
            prop_assert!(!visible_wide(&text).chars().any(deceives));
            prop_assert!(!visible(&text.to_string_lossy()).chars().any(deceives));
        }
    }
}
