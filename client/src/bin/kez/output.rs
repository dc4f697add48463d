//! Everything that is printed. Results go to stdout, what is said along the way to stderr; colours are shown on a terminal only.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use kez_client::text;
use serde_json::{Value, json};

/// What stands beside the message itself.
pub const FAINT: Style = Style::new().dimmed();
/// Who is speaking.
pub const NAME: Style = AnsiColor::Cyan.on_default().bold();
const ERROR: Style = AnsiColor::Red.on_default().bold();

/// How results are printed.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    json: bool,
}

impl Output {
    pub fn new(json: bool) -> Self {
        Self { json }
    }

    /// One result, as a person or as a program wants it. `human` must be harmless to a terminal already (see [`text`]). When this
    /// returns, it has left the process.
    pub fn result(&self, human: &str, program: &Value) -> io::Result<()> {
        let mut stdout = anstream::stdout().lock();
        if self.json {
            writeln!(stdout, "{}", text::json(&program.to_string()))?;
        } else {
            writeln!(stdout, "{human}")?;
        }
        stdout.flush()
    }

    /// Says what is going on, to people alone. Nothing depends on its being heard.
    pub fn status(&self, message: &str) {
        let _ = writeln!(anstream::stderr(), "{FAINT}{}{FAINT:#}", text::block(message));
    }

    /// Asks a question without ending the line.
    pub fn ask(&self, question: &str) {
        let mut stderr = anstream::stderr();
        let _ = write!(stderr, "{} ", text::block(question));
        let _ = stderr.flush();
    }
}

/// Tells why the command failed: people on stderr, and programs on stdout too.
pub fn failure(json: bool, message: &str, code: Option<&str>) {
    let _ = writeln!(anstream::stderr(), "{ERROR}error:{ERROR:#} {}", text::block(message));
    if json {
        let _ = Output::new(json).result("", &json!({"error": {"code": code, "message": message}}));
    }
}
