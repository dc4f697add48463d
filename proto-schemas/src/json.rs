//! JSON as signatures need it. Two documents that differ must not have one canonical form, so what RFC 8785 can't tell apart
//! is refused before: repeated keys (parsers keep the last), and numbers that a double can't hold exactly.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::Code;

const MAX_SAFE: f64 = 9_007_199_254_740_991.0;
const DUPLICATE: &str = "duplicate key";
const RANGE: &str = "number out of range";

/// Parses one JSON document. `malformed_json`, `duplicate_key` or `number_out_of_range` (beyond ±(2^53 − 1)).
pub fn parse_strict(bytes: &[u8]) -> Result<Value, Code> {
    match serde_json::from_slice::<Strict>(bytes) {
        Ok(Strict(value)) => Ok(value),
        Err(e) => {
            let text = e.to_string();
            Err(match () {
                () if text.starts_with(DUPLICATE) => Code::DuplicateKey,
                () if text.starts_with(RANGE) || text.starts_with("number out of range") => {
                    Code::NumberOutOfRange
                }
                () => Code::MalformedJson,
            })
        }
    }
}

/// The RFC 8785 bytes of a value that [`parse_strict`] gave.
pub fn canonical(value: &Value) -> Result<Vec<u8>, Code> {
    serde_jcs::to_vec(value).map_err(|_| Code::MalformedJson)
}

struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(StrictVisitor).map(Strict)
    }
}

struct StrictVisitor;

fn number<E: de::Error>(n: Option<Number>, size: f64) -> Result<Value, E> {
    match n {
        Some(n) if size.abs() <= MAX_SAFE => Ok(Value::Number(n)),
        _ => Err(E::custom(RANGE)),
    }
}

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_bool<E>(self, b: bool) -> Result<Value, E> {
        Ok(Value::Bool(b))
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_str<E>(self, s: &str) -> Result<Value, E> {
        Ok(Value::String(s.to_owned()))
    }
    fn visit_u64<E: de::Error>(self, n: u64) -> Result<Value, E> {
        number(Some(n.into()), n as f64)
    }
    fn visit_i64<E: de::Error>(self, n: i64) -> Result<Value, E> {
        number(Some(n.into()), n as f64)
    }
    fn visit_f64<E: de::Error>(self, n: f64) -> Result<Value, E> {
        // `1.0` is the number 1, and has its canonical form.
        let whole = n.fract() == 0.0 && n.abs() <= MAX_SAFE;
        number(if whole { Some((n as i64).into()) } else { Number::from_f64(n) }, n)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(Strict(item)) = seq.next_element()? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some((key, Strict(value))) = entries.next_entry::<String, _>()? {
            if map.insert(key, value).is_some() {
                return Err(de::Error::custom(DUPLICATE));
            }
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_single_canonical_form_is_refused() {
        for (doc, code) in [
            (r#"{"a":1,"a":1}"#, Code::DuplicateKey),
            (r#"{"x":[{"b":1,"\u0062":2}]}"#, Code::DuplicateKey),
            ("9007199254740992", Code::NumberOutOfRange),
            ("-9007199254740992", Code::NumberOutOfRange),
            (r#"{"n":18446744073709551616}"#, Code::NumberOutOfRange),
            ("1e21", Code::NumberOutOfRange),
            ("1e400", Code::NumberOutOfRange),
            ("{", Code::MalformedJson),
            ("{} {}", Code::MalformedJson),
            (r#""\ud800""#, Code::MalformedJson),
            ("\u{feff}{}", Code::MalformedJson),
        ] {
            assert_eq!(parse_strict(doc.as_bytes()), Err(code), "{doc}");
        }
        assert!(parse_strict(&[b'[', 0xff, b']']).is_err());
        assert!(parse_strict("[".repeat(200).as_bytes()).is_err());
        assert_eq!(
            parse_strict(b"[9007199254740991,-9007199254740991,0.1]").unwrap().as_array().map(Vec::len),
            Some(3)
        );
    }

    #[test]
    fn a_whole_number_is_one_however_it_is_written() {
        assert_eq!(parse_strict(b"[1.0,1e0,10E-1,-0.0]").unwrap(), serde_json::json!([1, 1, 1, 0]));
    }

    #[test]
    fn rfc_8785_examples() {
        let doc = r#"{"numbers":[333333333.33333329,1E10,4.50,2e-3,0.000000000000000000000000001],"string":"\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/","literals":[null,true,false]}"#;
        let want = "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,10000000000,4.5,0.002,1e-27],\"string\":\"€$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}";
        assert_eq!(
            String::from_utf8(canonical(&parse_strict(doc.as_bytes()).unwrap()).unwrap()).unwrap(),
            want
        );
        let doc = "{\"\\u20ac\":1,\"\\r\":2,\"\\ufb33\":3,\"1\":4,\"\\ud83d\\ude00\":5,\"\\u0080\":6,\"\\u00f6\":7}";
        let keys =
            parse_strict(doc.as_bytes()).map(|v| String::from_utf8(canonical(&v).unwrap()).unwrap()).unwrap();
        assert_eq!(keys, "{\"\\r\":2,\"1\":4,\"\u{80}\":6,\"ö\":7,\"€\":1,\"😀\":5,\"\u{fb33}\":3}");
    }
}
