//! Reads nats-server's configuration language, so that what an operator wrote can be judged, and tried with other ports.
//!
//! What is read here is what nats-server reads: [`crate::NatsServer::digest`] of both is the same, which `kez nats check` compares.

use std::{env, fs, path::Path};

use serde_json::{Map, Value};

use crate::Error;

/// Files that include each other may do so this deep.
const DEPTH: usize = 10;

/// The configuration in this file, and in those that it includes.
///
/// [`Error::Io`] if a file can't be read, [`Error::ConfigRefused`] if it isn't the language that nats-server reads.
pub fn read(path: &Path) -> Result<Value, Error> {
    let mut scopes = vec![Map::new()];
    include(path, &mut scopes, 0)?;
    Ok(Value::Object(scopes.pop().unwrap_or_default()))
}

/// Reads a file into the innermost scope.
fn include(path: &Path, scopes: &mut Vec<Map<String, Value>>, depth: usize) -> Result<(), Error> {
    if depth > DEPTH {
        return Err(Error::ConfigRefused(format!("{} includes itself", path.display())));
    }
    let text = fs::read_to_string(path).map_err(Error::io("read", path))?;
    let mut reader = Reader { text: &text, at: 0, path, scopes, depth };
    reader.pairs(None).map_err(|problem| match problem {
        Problem::Words(words) => {
            let line = reader.text[..reader.at].lines().count().max(1);
            Error::ConfigRefused(format!("{}:{line}: {words}", path.display()))
        }
        Problem::Nested(error) => error,
    })
}

enum Problem {
    Words(String),
    Nested(Error),
}

impl From<&str> for Problem {
    fn from(words: &str) -> Self {
        Problem::Words(words.into())
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    path: &'a Path,
    /// The maps around the place that is read; variables are looked for in all of them.
    scopes: &'a mut Vec<Map<String, Value>>,
    depth: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn take(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    /// White space, comments, and what may stand between two values.
    fn skip(&mut self, between: &[char]) {
        while let Some(c) = self.peek() {
            if c == '#' || self.text[self.at..].starts_with("//") {
                self.at += self.text[self.at..].find('\n').unwrap_or(self.text.len() - self.at);
            } else if c.is_whitespace() || between.contains(&c) {
                self.take();
            } else {
                return;
            }
        }
    }

    /// Keys and values up to this end, into the innermost scope.
    fn pairs(&mut self, end: Option<char>) -> Result<(), Problem> {
        // JSON has brackets around the whole.
        self.skip(&[]);
        if end.is_none() && self.peek() == Some('{') {
            self.take();
            return self.pairs(Some('}'));
        }
        loop {
            self.skip(&[',', ';']);
            match self.peek() {
                None if end.is_none() => return Ok(()),
                None => return Err("it ends within { }".into()),
                c if c == end => {
                    self.take();
                    return Ok(());
                }
                Some(_) => self.pair()?,
            }
        }
    }

    fn pair(&mut self) -> Result<(), Problem> {
        let key = match self.peek() {
            Some(quote @ ('"' | '\'')) => self.quoted(quote)?,
            _ => self.word(&[':', '=', '{']).to_owned(),
        };
        if key.is_empty() {
            return Err("a name was expected".into());
        }
        self.skip(&[]);
        if key.eq_ignore_ascii_case("include") {
            let file = match self.peek() {
                Some(quote @ ('"' | '\'')) => self.quoted(quote)?,
                _ => self.word(&[]).to_owned(),
            };
            let file = self.path.parent().unwrap_or(Path::new(".")).join(file);
            return include(&file, self.scopes, self.depth + 1).map_err(Problem::Nested);
        }
        if let Some(':' | '=') = self.peek() {
            self.take();
        }
        let value = self.value()?;
        if let Some(scope) = self.scopes.last_mut() {
            scope.insert(key, value);
        }
        Ok(())
    }

    fn value(&mut self) -> Result<Value, Problem> {
        self.skip(&[]);
        match self.peek() {
            None => Err("a value was expected".into()),
            Some('{') => {
                self.take();
                self.scopes.push(Map::new());
                let read = self.pairs(Some('}'));
                let map = self.scopes.pop().unwrap_or_default();
                read.map(|()| Value::Object(map))
            }
            Some('[') => {
                self.take();
                let mut values = vec![];
                loop {
                    self.skip(&[',']);
                    match self.peek() {
                        Some(']') => {
                            self.take();
                            return Ok(Value::Array(values));
                        }
                        _ => values.push(self.value()?),
                    }
                }
            }
            Some(quote @ ('"' | '\'')) => self.quoted(quote).map(Value::String),
            Some('(') => Err("blocks in ( ) aren't understood here".into()),
            Some(_) => {
                let word = self.word(&[]).to_owned();
                match word.strip_prefix('$') {
                    _ if word.is_empty() => Err("a value was expected".into()),
                    Some(name) => self.variable(name),
                    None => Ok(bare(&word)),
                }
            }
        }
    }

    /// Up to white space, a bracket, a comma or a semicolon, or one of these.
    fn word(&mut self, also: &[char]) -> &str {
        let begin = self.at;
        while let Some(c) = self.peek() {
            if c.is_whitespace() || [',', ';', ']', '}'].contains(&c) || also.contains(&c) {
                break;
            }
            self.take();
        }
        &self.text[begin..self.at]
    }

    fn quoted(&mut self, quote: char) -> Result<String, Problem> {
        self.take();
        let mut text = String::new();
        loop {
            match self.take() {
                None => return Err("a quotation doesn't end".into()),
                Some(c) if c == quote => return Ok(text),
                Some('\\') if quote == '"' => match self.take() {
                    Some(c @ ('"' | '\\')) => text.push(c),
                    Some('n') => text.push('\n'),
                    Some('r') => text.push('\r'),
                    Some('t') => text.push('\t'),
                    _ => return Err("an escape that isn't understood here".into()),
                },
                Some(c) => text.push(c),
            }
        }
    }

    fn variable(&self, name: &str) -> Result<Value, Problem> {
        let inside = self.scopes.iter().rev().find_map(|scope| scope.get(name).cloned());
        let outside = || env::var(name).ok().map(|text| bare(&text));
        inside.or_else(outside).ok_or_else(|| Problem::Words(format!("${name} has no value")))
    }
}

/// What a text without quotation marks means.
fn bare(word: &str) -> Value {
    match word.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" => return true.into(),
        "false" | "no" | "off" => return false.into(),
        _ => {}
    }
    let digits = word.strip_prefix('-').unwrap_or(word);
    let (number, unit) = digits.split_at(digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len()));
    let factor = match unit.to_ascii_lowercase().as_str() {
        "" => Some(1),
        "k" => Some(1000),
        "kb" | "ki" | "kib" => Some(1 << 10),
        "m" => Some(1_000_000),
        "mb" | "mi" | "mib" => Some(1 << 20),
        "g" => Some(1_000_000_000),
        "gb" | "gi" | "gib" => Some(1 << 30),
        "t" => Some(1_000_000_000_000),
        "tb" | "ti" | "tib" => Some(1 << 40),
        _ => None,
    };
    let sign = if digits.len() < word.len() { -1 } else { 1 };
    let whole = number.parse::<i64>().ok().zip(factor).and_then(|(n, factor)| n.checked_mul(sign * factor));
    let fraction = || word.parse::<f64>().ok().filter(|_| digits.starts_with(|c: char| c.is_ascii_digit()));
    match whole {
        Some(n) => n.into(),
        None => fraction().map_or_else(|| word.into(), Value::from),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(text: &str) -> Result<Value, Error> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("nats.conf");
        fs::write(dir.path().join("more.conf"), "inner { b: 2 }").unwrap();
        fs::write(dir.path().join("self.conf"), "include 'self.conf'").unwrap();
        fs::write(&path, text).unwrap();
        read(&path)
    }

    #[test]
    fn the_language() {
        let text = r#"
            # a comment
            port: 4222 // another
            host = 127.0.0.1; name n1, "quoted key": 'raw\'
            a { b: "x # \" } $Y \\", c: [ 1, 2
              three "four" ], d {}
              include 'more.conf' }
            on_off: [yes, FALSE], sizes: [1k, 1KB, 10MB, 1TB, -1, 1.5, 2s]
            password: "p", again: $password
        "#;
        let a = json!({"b": "x # \" } $Y \\", "c": [1, 2, "three", "four"], "d": {}, "inner": {"b": 2}});
        let sizes = json!([1000, 1024, 10 << 20, 1i64 << 40, -1, 1.5, "2s"]);
        let whole = json!({
            "port": 4222, "host": "127.0.0.1", "name": "n1", "quoted key": "raw\\", "a": a,
            "on_off": [true, false], "sizes": sizes, "password": "p", "again": "p",
        });
        assert_eq!(parse(text).unwrap(), whole);
        assert_eq!(parse(&whole.to_string()).unwrap(), whole, "JSON is the same language");
    }

    #[test]
    fn what_it_is_not() {
        for bad in [
            "a {",
            "a: [1",
            "a: \"x",
            "a: (x)",
            "a:",
            ": 1",
            "a: $KEZ_NO_SUCH_VARIABLE",
            "a: \"\\x41\"",
            "include 'self.conf'",
            "a ]",
        ] {
            assert!(matches!(parse(bad), Err(Error::ConfigRefused(_))), "{bad}: {:?}", parse(bad));
        }
        assert!(matches!(parse("include 'nothing.conf'"), Err(Error::Io { .. })));
    }
}
