//! Strangers' text on a terminal: a message must not move the cursor, change colours, set titles, or pass for another message.

/// Whether a terminal or a reader could take this character for more than a letter: control characters (C0, DEL, C1), marks that
/// turn the direction of text, and the separators that some terminals break a line at.
fn is_active(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// One line: what is active is spelt out as `\u{1b}`.
pub fn line(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if is_active(c) { safe.extend(c.escape_unicode()) } else { safe.push(c) }
    }
    safe
}

/// A text of several lines: the lines behind the first are indented, so that none looks like a message of its own.
pub fn block(text: &str) -> String {
    let lines = text.split('\n').map(|l| l.strip_suffix('\r').unwrap_or(l));
    lines.map(|l| line(&l.replace('\t', "    "))).collect::<Vec<_>>().join("\n    ")
}

/// The same for JSON, which leaves some of these characters bare inside its strings and nowhere else.
pub fn json(document: &str) -> String {
    let mut safe = String::with_capacity(document.len());
    for c in document.chars() {
        if is_active(c) { safe.push_str(&format!("\\u{:04x}", u32::from(c))) } else { safe.push(c) }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_spelt_out() {
        assert_eq!(line("\u{1b}[31mred\u{1b}]0;title\u{7}"), r"\u{1b}[31mred\u{1b}]0;title\u{7}");
        assert_eq!(line("a\rb\nc\u{9b}2J\u{7f}\0"), r"a\u{d}b\u{a}c\u{9b}2J\u{7f}\u{0}");
        assert_eq!(line("abc\u{202e}txt.exe\u{2066}"), r"abc\u{202e}txt.exe\u{2066}");
    }

    #[test]
    fn plain_text_of_any_language_stays() {
        for plain in ["Grüße, naïve ☕", "日本語", "שלום", "👩‍👩‍👧 🏴󠁧󠁢󠁥󠁮󠁧󠁿", "a\\b", ""]
        {
            assert_eq!(line(plain), plain);
            assert_eq!(block(plain), plain);
        }
    }

    #[test]
    fn a_second_line_cannot_pass_for_a_message() {
        assert_eq!(
            block("hi\r\n[10:00:00] bob@kez.lat: pay\n\tme"),
            "hi\n    [10:00:00] bob@kez.lat: pay\n        me"
        );
        assert_eq!(block("hi\rbye\u{2028}x"), r"hi\u{d}bye\u{2028}x");
    }

    #[test]
    fn json_keeps_its_meaning() {
        let body = "\u{1b}[31m \u{9b} \u{7f} \u{202e} ü \n";
        let document = json(&serde_json::to_string(body).unwrap());
        assert!(!document.chars().any(is_active), "{document}");
        assert_eq!(serde_json::from_str::<String>(&document).unwrap(), body);
    }
}
