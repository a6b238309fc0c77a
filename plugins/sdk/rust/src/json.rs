use std::fmt;

/// A JSON value. Numbers and text are written as the Go SDK writes them, byte for byte;
/// a number that JSON has no word for (NaN, infinities) is null.
#[derive(Debug, Clone, PartialEq)]
pub enum Json {
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(String),
    Array(Vec<Json>),
    /// Keys in the order in which they are written.
    Object(Vec<(String, Json)>),
    /// Text that is JSON already.
    Raw(String),
}

impl Json {
    /// An empty object, for [`Json::with`].
    pub fn object() -> Json {
        Json::Object(Vec::new())
    }

    /// Adds a key and its value to an object.
    pub fn with(mut self, key: &str, value: impl Into<Json>) -> Json {
        match &mut self {
            Json::Object(fields) => fields.push((key.to_string(), value.into())),
            _ => panic!("with: not an object"),
        }
        self
    }

    /// The value of a key of an object.
    pub fn get(&self, key: &str) -> Option<&Json> {
        match self {
            Json::Object(fields) => fields.iter().find(|(k, _)| k == key).map(|(_, v)| v),
            _ => None,
        }
    }

    /// Reads JSON, which must be valid.
    pub fn parse(text: &str) -> Result<Json, String> {
        let mut p = Parser { text: text.as_bytes(), at: 0 };
        let value = p.value()?;
        p.space();
        if p.at < p.text.len() {
            return Err(format!("JSON: more follows at {}", p.at));
        }
        Ok(value)
    }

    pub(crate) fn text(&self, key: &str) -> String {
        match self.get(key) {
            Some(Json::Text(t)) => t.clone(),
            _ => String::new(),
        }
    }

    pub(crate) fn int(&self, key: &str) -> i128 {
        match self.get(key) {
            Some(Json::Int(n)) => *n,
            _ => 0,
        }
    }

    pub(crate) fn items(&self, key: &str) -> &[Json] {
        match self.get(key) {
            Some(Json::Array(items)) => items,
            _ => &[],
        }
    }
}

macro_rules! from {
    ($($type:ty => $make:expr),* $(,)?) => { $(impl From<$type> for Json { fn from(v: $type) -> Json { $make(v) } })* };
}

from! {
    bool => Json::Bool,
    i32 => |v| Json::Int(v as i128),
    u32 => |v| Json::Int(v as i128),
    i64 => |v| Json::Int(v as i128),
    u64 => |v| Json::Int(v as i128),
    usize => |v| Json::Int(v as i128),
    f64 => Json::Float,
    String => Json::Text,
    &str => |v: &str| Json::Text(v.to_string()),
    &String => |v: &String| Json::Text(v.clone()),
}

impl<T: Into<Json>> From<Option<T>> for Json {
    fn from(v: Option<T>) -> Json {
        v.map_or(Json::Null, Into::into)
    }
}

impl<T: Into<Json>> From<Vec<T>> for Json {
    fn from(v: Vec<T>) -> Json {
        Json::Array(v.into_iter().map(Into::into).collect())
    }
}

impl<T: Clone + Into<Json>> From<&[T]> for Json {
    fn from(v: &[T]) -> Json {
        Json::Array(v.iter().cloned().map(Into::into).collect())
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Json::Null => f.write_str("null"),
            Json::Bool(v) => write!(f, "{}", v),
            Json::Int(v) => write!(f, "{}", v),
            Json::Float(v) => f.write_str(&number(*v)),
            Json::Text(v) => f.write_str(&quoted(v)),
            Json::Raw(v) => f.write_str(v),
            Json::Array(items) => {
                f.write_str("[")?;
                for (i, v) in items.iter().enumerate() {
                    write!(f, "{}{}", if i > 0 { "," } else { "" }, v)?;
                }
                f.write_str("]")
            }
            Json::Object(fields) => {
                f.write_str("{")?;
                for (i, (k, v)) in fields.iter().enumerate() {
                    write!(f, "{}{}:{}", if i > 0 { "," } else { "" }, quoted(k), v)?;
                }
                f.write_str("}")
            }
        }
    }
}

/// The fewest digits that read back as the number.
pub(crate) fn number(v: f64) -> String {
    if !v.is_finite() {
        return "null".to_string();
    }
    if v == v.trunc() && v.abs() < 9007199254740992.0 {
        return format!("{}", v);
    }
    let (digits, exponent) = shortest(v.abs());
    let (n, e) = (digits.len() as i32, exponent);
    let sign = if v < 0.0 { "-" } else { "" };
    let zeros = |n: i32| "0".repeat(n.max(0) as usize);
    if !(-6..21).contains(&e) {
        let point = if n > 1 { "." } else { "" };
        return format!("{}{}{}{}e{}{}", sign, &digits[..1], point, &digits[1..], if e < 0 { "-" } else { "+" }, e.abs());
    }
    if e < 0 {
        return format!("{}0.{}{}", sign, zeros(-e - 1), digits);
    }
    if n > e + 1 {
        return format!("{}{}.{}", sign, &digits[..e as usize + 1], &digits[e as usize + 1..]);
    }
    format!("{}{}{}", sign, digits, zeros(e + 1 - n))
}

/// The digits of a positive number, and the power of ten of the first. Where two of as
/// few digits are as near, Rust takes the larger: this takes the even one, as Go does.
fn shortest(v: f64) -> (String, i32) {
    let text = format!("{:e}", v);
    let (digits, exponent) = text.split_once('e').unwrap();
    let digits = digits.replace('.', "");
    let exact = format!("{:.60e}", v).replace('.', "");
    let (below, rest) = exact[..exact.find('e').unwrap()].split_at(digits.len());
    let tie = rest.starts_with('5') && rest[1..].bytes().all(|c| c == b'0');
    let even = below.ends_with(|c: char| c.to_digit(10).map_or(false, |d| d % 2 == 0));
    let same = |d: &str| format!("{}.{}e{}", &d[..1], &d[1..], exponent).parse() == Ok(v);
    let digits = if tie && even && same(below) { below.to_string() } else { digits };
    (digits.trim_end_matches('0').to_string(), exponent.parse().unwrap())
}

fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\u{0}'..='\u{1f}' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

struct Parser<'a> {
    text: &'a [u8],
    at: usize,
}

impl Parser<'_> {
    fn space(&mut self) {
        while self.at < self.text.len() && self.text[self.at].is_ascii_whitespace() {
            self.at += 1;
        }
    }

    /// The next byte that is not a space; 0: the end.
    fn peek(&mut self) -> u8 {
        self.space();
        self.text.get(self.at).copied().unwrap_or(0)
    }

    fn expect(&mut self, c: u8) -> Result<(), String> {
        if self.peek() != c {
            return Err(format!("JSON: want {:?} at {}", c as char, self.at));
        }
        self.at += 1;
        Ok(())
    }

    fn value(&mut self) -> Result<Json, String> {
        match self.peek() {
            b'{' => {
                let mut fields = Vec::new();
                self.list(b'}', |p| {
                    let key = p.string()?;
                    p.expect(b':')?;
                    fields.push((key, p.value()?));
                    Ok(())
                })?;
                Ok(Json::Object(fields))
            }
            b'[' => {
                let mut items = Vec::new();
                self.list(b']', |p| {
                    items.push(p.value()?);
                    Ok(())
                })?;
                Ok(Json::Array(items))
            }
            b'"' => Ok(Json::Text(self.string()?)),
            _ => self.word(),
        }
    }

    fn list(&mut self, end: u8, mut item: impl FnMut(&mut Self) -> Result<(), String>) -> Result<(), String> {
        self.at += 1;
        if self.peek() != end {
            loop {
                item(self)?;
                if self.peek() != b',' {
                    break;
                }
                self.at += 1;
            }
        }
        self.expect(end)
    }

    fn word(&mut self) -> Result<Json, String> {
        let from = self.at;
        while self.at < self.text.len() && (self.text[self.at].is_ascii_alphanumeric() || b"+-.".contains(&self.text[self.at])) {
            self.at += 1;
        }
        let word = std::str::from_utf8(&self.text[from..self.at]).unwrap_or("");
        match word {
            "null" => return Ok(Json::Null),
            "true" => return Ok(Json::Bool(true)),
            "false" => return Ok(Json::Bool(false)),
            _ => {}
        }
        if let Ok(n) = word.parse::<i128>() {
            return Ok(Json::Int(n));
        }
        word.parse::<f64>().map(Json::Float).map_err(|_| format!("JSON: {:?} at {}", word, from))
    }

    fn string(&mut self) -> Result<String, String> {
        self.expect(b'"')?;
        let mut out = Vec::new();
        loop {
            let c = *self.text.get(self.at).ok_or("JSON: text without an end")?;
            self.at += 1;
            match c {
                b'"' => return String::from_utf8(out).map_err(|_| "JSON: not UTF-8".to_string()),
                b'\\' => self.escape(&mut out)?,
                c => out.push(c),
            }
        }
    }

    fn escape(&mut self, out: &mut Vec<u8>) -> Result<(), String> {
        let c = self.text.get(self.at).copied().unwrap_or(0);
        self.at += 1;
        let plain = match c {
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let mut code = self.hex()?;
                if (0xd800..0xdc00).contains(&code) && self.text[self.at..].starts_with(b"\\u") {
                    self.at += 2;
                    code = 0x10000 + ((code - 0xd800) << 10) + (self.hex()? & 0x3ff);
                }
                let c = char::from_u32(code).unwrap_or('\u{fffd}');
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                return Ok(());
            }
            c => c,
        };
        out.push(plain);
        Ok(())
    }

    fn hex(&mut self) -> Result<u32, String> {
        let four = self.text.get(self.at..self.at + 4).ok_or("JSON: text without an end")?;
        self.at += 4;
        std::str::from_utf8(four).ok().and_then(|t| u32::from_str_radix(t, 16).ok()).ok_or_else(|| "JSON: not hexadecimal".to_string())
    }
}
