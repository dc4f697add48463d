//! A whole chain in one text: JSON Lines, one canonical event a line, or these lines as one word, `kez:zc1:` with zstd and base64url.

use super::proof::{Undecodable, pack, unpack};
use crate::{
    Code, json,
    limits::{CHAIN_EVENTS, CHAIN_EXPORT_BYTES, EVENT_BYTES},
};

/// What a bundle begins with.
pub const BUNDLE_PREFIX: &str = "kez:zc1:";
/// Where a web site has its owner's chain, as JSON Lines.
pub const WELL_KNOWN: &str = "/.well-known/kez-sigchain.jsonl";

/// The lines of these events. Errors: those of [`json::parse_strict`], and `too_large` beyond 10,000 events or 16 MiB.
pub fn to_lines<B: AsRef<[u8]>>(events: impl IntoIterator<Item = B>) -> Result<String, Code> {
    let mut lines = String::new();
    for (count, event) in events.into_iter().enumerate() {
        let canonical = json::canonical(&json::parse_strict(event.as_ref())?)?;
        lines += &String::from_utf8(canonical).map_err(|_| Code::MalformedJson)?;
        lines.push('\n');
        if count as u64 >= CHAIN_EVENTS || lines.len() > CHAIN_EXPORT_BYTES {
            return Err(Code::TooLarge);
        }
    }
    Ok(lines)
}

/// The events of JSON Lines, unverified: give them to [`super::Chain::verify`]. Empty lines are passed over. `Absent` where no line is left, `TooLarge`
/// beyond 16 KiB a line, 10,000 lines or 16 MiB.
pub fn from_lines(lines: &str) -> Result<Vec<String>, Undecodable> {
    let events = || lines.lines().map(str::trim).filter(|line| !line.is_empty());
    let too_many = events().nth(CHAIN_EVENTS as usize).is_some();
    if lines.len() > CHAIN_EXPORT_BYTES || too_many || events().any(|line| line.len() > EVENT_BYTES) {
        return Err(Undecodable::TooLarge);
    }
    if events().any(|line| !line.starts_with('{')) {
        return Err(Undecodable::Corrupt);
    }
    let events: Vec<_> = events().map(str::to_owned).collect();
    if events.is_empty() { Err(Undecodable::Absent) } else { Ok(events) }
}

/// These events as one word. Errors: as of [`to_lines`].
pub fn to_bundle<B: AsRef<[u8]>>(events: impl IntoIterator<Item = B>) -> Result<String, Code> {
    Ok(pack(BUNDLE_PREFIX, to_lines(events)?.as_bytes()))
}

/// The events of a bundle, unverified. Bounds are those of [`from_lines`], and hold before anything beyond them is inflated.
pub fn from_bundle(bundle: &str) -> Result<Vec<String>, Undecodable> {
    let lines = unpack(BUNDLE_PREFIX, bundle, CHAIN_EXPORT_BYTES)?;
    match from_lines(str::from_utf8(&lines).map_err(|_| Undecodable::Corrupt)?) {
        Err(Undecodable::Absent) => Err(Undecodable::Corrupt),
        events => events,
    }
}

/// The events of either form.
pub fn decode(text: &str) -> Result<Vec<String>, Undecodable> {
    match from_bundle(text) {
        Err(Undecodable::Absent) => from_lines(text),
        events => events,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_read_back() {
        let events = [r#"{ "b":1, "a":[1.0] }"#, r#"{"c":"ü"}"#];
        let canonical = [r#"{"a":[1],"b":1}"#, r#"{"c":"ü"}"#];
        let lines = to_lines(events).unwrap();
        assert_eq!(lines, format!("{}\n{}\n", canonical[0], canonical[1]));
        let bundle = to_bundle(events).unwrap();
        assert!(bundle.starts_with("kez:zc1:"));
        for text in [&lines, &lines.replace('\n', "\r\n\n"), &bundle, &format!("\n{bundle}\n")] {
            assert_eq!(decode(text).unwrap(), canonical, "{text}");
        }
        assert_eq!(to_lines([r#"{"a":1,"a":2}"#]), Err(Code::DuplicateKey));
    }

    #[test]
    fn absent_damaged_and_too_large_are_told_apart() {
        assert_eq!(decode(" \n"), Err(Undecodable::Absent));
        assert_eq!(decode("{}\nhello"), Err(Undecodable::Corrupt));
        assert_eq!(decode("kez:zc1:AAAA"), Err(Undecodable::Corrupt));
        assert_eq!(decode(&pack(BUNDLE_PREFIX, b"")), Err(Undecodable::Corrupt));
        assert_eq!(decode(&pack(BUNDLE_PREFIX, &[0xff])), Err(Undecodable::Corrupt));
        let many = "{}\n".repeat(CHAIN_EVENTS as usize);
        assert_eq!(decode(&many).map(|events| events.len()), Ok(10_000));
        assert_eq!(decode(&(many + "{}")), Err(Undecodable::TooLarge));
        assert_eq!(decode(&format!("{{{}}}", " ".repeat(EVENT_BYTES))), Err(Undecodable::TooLarge));
        assert_eq!(to_lines((0..=CHAIN_EVENTS).map(|_| "{}")), Err(Code::TooLarge));
        let bomb = pack(BUNDLE_PREFIX, &vec![b'\n'; CHAIN_EXPORT_BYTES + 1]);
        assert!(bomb.len() < 100_000);
        assert_eq!(decode(&bomb), Err(Undecodable::TooLarge));
    }
}
