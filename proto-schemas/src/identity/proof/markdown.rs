//! A page with a code fence (CommonMark, 4.5) whose first word is `kez`; in it is the JSON or the compact form.

use super::{Undecodable, compact, json_object};

/// The fence around an envelope's JSON, or around its compact form.
pub fn encode(proof: &str) -> String {
    format!("```kez\n{}\n```\n", proof.trim())
}

/// The envelope's JSON of the first fence tagged `kez`, at most 16 KiB. A fence that isn't closed is damaged.
pub fn decode(page: &str) -> Result<Vec<u8>, Undecodable> {
    let mut fence: Option<Fence> = None;
    for line in page.lines() {
        match &mut fence {
            None => fence = Fence::opened_by(line),
            Some(open) if !open.is_closed_by(line) => open.inside.extend([line, "\n"]),
            Some(open) if open.tagged => return content(open.inside.trim()),
            Some(_) => fence = None,
        }
    }
    if fence.is_some_and(|open| open.tagged) { Err(Undecodable::Corrupt) } else { Err(Undecodable::Absent) }
}

fn content(inside: &str) -> Result<Vec<u8>, Undecodable> {
    match compact::decode(inside) {
        Err(Undecodable::Absent) => json_object(inside.as_bytes()),
        decoded => decoded,
    }
}

/// A fence that is open. Others than `kez` are followed, too: what is in them is text.
struct Fence {
    mark: char,
    length: usize,
    tagged: bool,
    inside: String,
}

/// How often `mark` stands at the line's beginning, and what is behind.
fn run(line: &str, mark: char) -> (usize, &str) {
    let rest = line.trim_start();
    let behind = rest.trim_start_matches(mark);
    (rest.len() - behind.len(), behind.trim())
}

impl Fence {
    fn opened_by(line: &str) -> Option<Self> {
        ['`', '~'].into_iter().find_map(|mark| {
            let (length, info) = run(line, mark);
            let opens = length >= 3 && !(mark == '`' && info.contains('`'));
            let tagged = info.split_whitespace().next() == Some("kez");
            opens.then(|| Self { mark, length, tagged, inside: String::new() })
        })
    }

    fn is_closed_by(&self, line: &str) -> bool {
        let (length, behind) = run(line, self.mark);
        length >= self.length && behind.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fence_is_found_in_a_page() {
        let json = r#"{"kez":"claim"}"#;
        let word = compact::encode(json.as_bytes());
        for page in [
            encode(json),
            encode(&word),
            format!("# Me\r\n\r\n```` kez proof\r\n  {word}  \r\n````\r\nbye"),
            format!("```js\n```\n~~~kez\n\n{json}\n\n~~~~"),
            format!("````md\n```kez\nnot this\n```\n````\n- item\n  ```kez\n  {json}\n  ```"),
        ] {
            assert_eq!(decode(&page).as_deref(), Ok(json.as_bytes()), "{page}");
        }
    }

    #[test]
    fn absent_and_damaged_are_told_apart() {
        for page in ["", "kez", "```\nkez\n```", "```kezzy\n{}\n```", "``kez {}``", "````\n```kez\n{}\n```\n"]
        {
            assert_eq!(decode(page), Err(Undecodable::Absent), "{page}");
        }
        for page in [
            "```kez",
            "```kez\n{}",
            "```kez\n```",
            "```kez\n{\n```",
            "~~~kez\n{}\n```",
            "```kez\nkez:z1:x\n```",
        ] {
            assert_eq!(decode(page), Err(Undecodable::Corrupt), "{page}");
        }
        let large = format!("```kez\n{{\"a\":\"{}\"}}\n```", "x".repeat(crate::limits::CLAIM_BYTES));
        assert_eq!(decode(&large), Err(Undecodable::TooLarge));
    }
}
