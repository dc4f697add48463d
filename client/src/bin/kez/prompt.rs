//! What is asked at a terminal.

use std::io::{self, IsTerminal, Read};

use zeroize::Zeroizing;

use crate::{failure::Failure, output::Output};

/// Longer than any phrase.
const PHRASE_BYTES: u64 = 4096;

/// Asks, and hears yes or no.
pub fn confirmed(out: Output, question: &str) -> Result<bool, Failure> {
    out.ask(&format!("{question} [y/N]"));
    let mut answer = String::new();
    io::stdin()
        .read_line(&mut answer)
        .map_err(|e| Failure::refused(format!("can't read the answer: {e}")))?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// Goes on only after a yes: on the command line (`yes`), or at a terminal. `otherwise` says what didn't happen.
pub fn consent(out: Output, yes: bool, question: &str, otherwise: &str) -> Result<(), Failure> {
    if yes {
        Ok(())
    } else if !io::stdin().is_terminal() {
        Err(Failure::refused(format!("{otherwise}: nobody is there to be asked. Say it with --yes")))
    } else if confirmed(out, question)? {
        Ok(())
    } else {
        Err(Failure::refused(otherwise))
    }
}

/// The words of a key: typed at a terminal that doesn't show them, or from stdin.
pub fn phrase() -> Result<Zeroizing<String>, Failure> {
    let unread = |e: io::Error| Failure::refused(format!("can't read the words: {e}"));
    if io::stdin().is_terminal() {
        let typed = rpassword::prompt_password("The 12 or 24 words of the key (they aren't shown): ");
        return typed.map(Zeroizing::new).map_err(unread);
    }
    let mut words = Zeroizing::new(String::with_capacity(PHRASE_BYTES as usize + 1));
    io::stdin().lock().take(PHRASE_BYTES + 1).read_to_string(&mut words).map_err(unread)?;
    Ok(words)
}
