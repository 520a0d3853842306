//! The grammar of one statement of a `.reg` file, over WTF-8 text.
//!
//! What Windows' own importer makes of odd lines is followed, except where [`super`] says otherwise.

use nom::branch::alt;
use nom::bytes::complete::{tag_no_case, take_while, take_while_m_n, take_while1};
use nom::character::complete::char;
use nom::combinator::{cut, eof, map, map_opt, opt, value};
use nom::error::{ErrorKind, ParseError};
use nom::multi::separated_list0;
use nom::sequence::{delimited, preceded, terminated};
use nom::{Err, IResult, Parser};

use crate::registry::ValueType;

/// One statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Statement<'a> {
    /// A blank line or a comment.
    Nothing,
    /// `[key]`
    Key(&'a [u8]),
    /// `[-key]`
    KeyDeletion(&'a [u8]),
    /// `"name"=data`; the name is empty for `@`.
    Value { name: Quoted, data: Data },
}

/// The data of a value statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Data {
    /// `"text"`
    Text(Quoted),
    /// `dword:`
    Dword(u32),
    /// `hex:` and `hex(n):`
    Hex(ValueType, HexBytes),
    /// `-`
    Deletion,
}

/// Text between quotes, its escapes resolved, as WTF-8.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Quoted {
    pub(super) text: Vec<u8>,
    /// A backslash before something else than a known escape was read as itself.
    pub(super) has_bare_backslash: bool,
}

/// The bytes of one line of hexadecimal data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HexBytes {
    pub(super) bytes: Vec<u8>,
    /// The line ends in a comma and a backslash: the next one goes on.
    pub(super) continues: bool,
}

/// What a statement lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fault<'a> {
    /// Where the grammar is broken.
    pub(super) at: &'a [u8],
    pub(super) expected: &'static str,
    /// The text ends inside a quoted string: a following line may close it.
    pub(super) in_string: bool,
}

impl<'a> ParseError<&'a [u8]> for Fault<'a> {
    fn from_error_kind(at: &'a [u8], _: ErrorKind) -> Self {
        Fault {
            at,
            expected: "",
            in_string: false,
        }
    }

    fn append(_: &'a [u8], _: ErrorKind, other: Self) -> Self {
        other
    }
}

type Parsed<'a, T> = IResult<&'a [u8], T, Fault<'a>>;

/// Demands what the inner parser reads, and names it where it is missing.
fn expect<'a, T>(
    expected: &'static str,
    mut parser: impl Parser<&'a [u8], Output = T, Error = Fault<'a>>,
) -> impl FnMut(&'a [u8]) -> Parsed<'a, T> {
    move |text| {
        parser.parse(text).map_err(|error| match error {
            Err::Error(fault) | Err::Failure(fault) if fault.expected.is_empty() => {
                Err::Failure(Fault { expected, ..fault })
            }
            Err::Error(fault) => Err::Failure(fault),
            other => other,
        })
    }
}

/// Reads one statement; its text holds line breaks only inside quoted strings.
pub(super) fn statement(text: &[u8]) -> Result<Statement<'_>, Fault<'_>> {
    let statement = preceded(
        blanks,
        alt((
            value(Statement::Nothing, eof),
            value(Statement::Nothing, alt((char(';'), char('#')))),
            key,
            value_statement,
        )),
    )
    .parse(text);
    match statement {
        Ok((_, statement)) => Ok(statement),
        Err(Err::Error(fault) | Err::Failure(fault)) if !fault.expected.is_empty() => Err(fault),
        Err(_) => Err(Fault {
            at: text,
            expected: "a key in brackets, a value or a comment",
            in_string: false,
        }),
    }
}

/// The name of a value, whatever its data are.
pub(super) fn value_name(text: &[u8]) -> Option<Quoted> {
    let name = preceded(blanks, name_and_equals).parse(text);
    name.ok().map(|(_, name)| name)
}

/// A line that goes on with the hexadecimal data of the line before; `None` for a blank or comment line between.
pub(super) fn hex_continuation(text: &[u8]) -> Result<Option<HexBytes>, Fault<'_>> {
    let line = preceded(
        blanks,
        alt((
            value(None, alt((value((), eof), value((), char(';'))))),
            map(hex_bytes, Some),
        )),
    )
    .parse(text);
    match line {
        Ok((
            rest,
            Some(HexBytes {
                bytes,
                continues: true,
            }),
        )) if bytes.is_empty() => Err(Fault {
            at: rest,
            expected: "bytes before the backslash",
            in_string: false,
        }),
        Ok((_, bytes)) => Ok(bytes),
        Err(Err::Error(fault) | Err::Failure(fault)) => Err(fault),
        Err(Err::Incomplete(_)) => unreachable!("complete parsers only"),
    }
}

/// Whether the next line begins a statement, whatever comes before this one.
///
/// Quotes inside of strings are escaped. So if this line begins inside of one, its first quote ends it, and what follows is a name,
/// which breaks the grammar: then it is the string that is broken, and the line is a value all the same. Only a name that begins
/// with an equals sign could go on with what a name on the lines before began.
pub(super) fn is_complete_value(line: &[u8]) -> bool {
    let behind_quote = memchr::memchr(b'"', line).map_or(line, |quote| &line[quote + 1..]);
    if behind_quote.trim_ascii_start().starts_with(b"=") {
        return false;
    }
    match statement(line) {
        Ok(Statement::Value { data, .. }) => !matches!(
            data,
            Data::Hex(
                _,
                HexBytes {
                    continues: true,
                    ..
                }
            )
        ),
        _ => false,
    }
}

/// Whether the text has a quote that no backslash escapes.
pub(super) fn has_quote(text: &[u8]) -> bool {
    !matches!(
        quoted_rest(text),
        Err(Err::Failure(Fault {
            in_string: true,
            ..
        }))
    )
}

fn blanks(text: &[u8]) -> Parsed<'_, &[u8]> {
    take_while(|c| c == b' ' || c == b'\t').parse(text)
}

/// Blanks and a comment, up to the end of the line.
fn rest_of_line(text: &[u8]) -> Parsed<'_, ()> {
    value((), (blanks, alt((value((), eof), value((), char(';')))))).parse(text)
}

fn end_of_line(text: &[u8]) -> Parsed<'_, ()> {
    expect("the end of the line or a comment", rest_of_line)(text)
}

/// Names of keys may hold brackets: the last one on the line closes.
fn key(text: &[u8]) -> Parsed<'_, Statement<'_>> {
    let (text, _) = char('[').parse(text)?;
    let Some(end) = memchr::memrchr(b']', text) else {
        return Err(Err::Failure(Fault {
            at: text,
            expected: "a closing bracket behind the key",
            in_string: false,
        }));
    };
    let path = &text[..end];
    let statement = match path.strip_prefix(b"-") {
        Some(path) => Statement::KeyDeletion(path),
        None => Statement::Key(path),
    };
    Ok((&text[end + 1..], statement))
}

fn value_statement(text: &[u8]) -> Parsed<'_, Statement<'_>> {
    let (text, name) = name_and_equals(text)?;
    let (text, data) = expect("a string, dword:, hex: or -", data).parse(text)?;
    Ok((text, Statement::Value { name, data }))
}

fn name_and_equals(text: &[u8]) -> Parsed<'_, Quoted> {
    let name = alt((map(char('@'), |_| Quoted::default()), quoted));
    let equals = expect("= behind the name", char('='));
    terminated(name, (blanks, equals, blanks)).parse(text)
}

fn data(text: &[u8]) -> Parsed<'_, Data> {
    alt((
        map(terminated(quoted, end_of_line), Data::Text),
        map(
            preceded(
                tag_no_case(&b"dword:"[..]),
                cut(terminated(dword, end_of_line)),
            ),
            Data::Dword,
        ),
        map(
            (terminated(hex_type, char(':')), blanks, hex_bytes),
            |(value_type, _, bytes)| Data::Hex(value_type, bytes),
        ),
        value(Data::Deletion, (char('-'), end_of_line)),
    ))
    .parse(text)
}

fn dword(text: &[u8]) -> Parsed<'_, u32> {
    expect(
        "one to eight hexadecimal digits",
        preceded(blanks, hex_number(8)),
    )(text)
}

/// `hex` or `hex(n)`, n being the type's number in hexadecimal.
fn hex_type(text: &[u8]) -> Parsed<'_, ValueType> {
    let number = delimited(char('('), hex_number(8), char(')'));
    let (text, number) = preceded(tag_no_case(&b"hex"[..]), opt(number)).parse(text)?;
    Ok((text, number.map_or(ValueType::BINARY, ValueType)))
}

/// Bytes parted by commas, a comma allowed behind the last; then the end of the line, or a backslash for more.
fn hex_bytes(text: &[u8]) -> Parsed<'_, HexBytes> {
    let byte = map(hex_number(2), |number| number as u8);
    let comma = (blanks, char(','), blanks);
    let (rest, bytes) = separated_list0(comma, byte).parse(text)?;
    let comma = (blanks, char(','));
    let (rest, comma) = match bytes.is_empty() {
        true => (rest, None),
        false => opt(comma).parse(rest)?,
    };
    let (rest, backslash) = opt((blanks, char('\\'))).parse(rest)?;
    if backslash.is_some() && comma.is_none() && !bytes.is_empty() {
        return Err(Err::Failure(Fault {
            at: rest,
            expected: "a comma before the backslash",
            in_string: false,
        }));
    }
    let expected = "bytes as two hexadecimal digits parted by commas";
    let (rest, ()) = expect(expected, rest_of_line)(rest)?;
    let continues = backslash.is_some();
    Ok((rest, HexBytes { bytes, continues }))
}

fn hex_number<'a>(most_digits: usize) -> impl Parser<&'a [u8], Output = u32, Error = Fault<'a>> {
    map_opt(
        take_while_m_n(1, most_digits, |c: u8| c.is_ascii_hexdigit()),
        |digits| u32::from_str_radix(str::from_utf8(digits).ok()?, 16).ok(),
    )
}

/// A quoted string.
fn quoted(text: &[u8]) -> Parsed<'_, Quoted> {
    preceded(char('"'), quoted_rest).parse(text)
}

/// A quoted string behind its opening quote.
fn quoted_rest(start: &[u8]) -> Parsed<'_, Quoted> {
    let mut quoted = Quoted::default();
    let mut text = start;
    loop {
        let (rest, run) = opt(take_while1(|c| c != b'"' && c != b'\\')).parse(text)?;
        quoted.text.extend_from_slice(run.unwrap_or_default());
        text = match rest {
            [b'"', rest @ ..] => return Ok((rest, quoted)),
            // Windows' importer gives up a string with either: text that has a NUL is exported as hex(1).
            [b'\\', b'\r' | b'\n' | b'0', ..] => {
                return Err(Err::Failure(Fault {
                    at: rest,
                    expected: r#"`\\` or `\"` for a backslash or a quote"#,
                    in_string: false,
                }));
            }
            [b'\\', escaped @ (b'"' | b'\\' | b'n' | b'r'), rest @ ..] => {
                quoted.text.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    &escaped => escaped,
                });
                rest
            }
            [backslash @ b'\\', rest @ ..] => {
                quoted.text.push(*backslash);
                quoted.has_bare_backslash = true;
                rest
            }
            _ => {
                return Err(Err::Failure(Fault {
                    at: start,
                    expected: "a closing quote",
                    in_string: true,
                }));
            }
        };
    }
}
