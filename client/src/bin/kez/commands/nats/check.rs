//! `kez nats check`

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

use clap::Args;
use kez_nats::{
    Keys, NatsServer,
    audit::{self, Check, Problem},
    conf,
};
use serde_json::{Value, json};

use super::{Binary, trial};
use crate::{
    context::Context,
    failure::Failure,
    output::{FAINT, Output},
};

#[derive(Args)]
pub struct CheckArgs {
    /// Configurations of nats-server; those of one cluster together
    #[arg(value_name = "CONF", default_value = "nats-server.conf")]
    confs: Vec<PathBuf>,
    /// Folder of the deployment's keys [default: keys, beside the first configuration]
    #[arg(long, value_name = "DIR")]
    keys: Option<PathBuf>,
    /// Listeners without TLS are right: a proxy in front of them has it, or nobody else is on their network
    #[arg(long)]
    plain: bool,
    #[command(flatten)]
    binary: Binary,
}

pub async fn run(context: &Context, args: CheckArgs) -> Result<(), Failure> {
    args.confs.iter().try_for_each(|path| there(path))?;
    let mut report = Report { out: context.out, conf: None, looked_at: 0, failed: 0 };
    let binary = match NatsServer::find(args.binary.nats_server.as_deref()) {
        Ok(binary) => binary,
        Err(error) => {
            report.one("nats-server is new enough", Err(error.to_string()))?;
            return report.end();
        }
    };
    let version = binary.version();
    report.one("nats-server is new enough", Ok(format!("{} is {version}", binary.path().display())))?;
    let folder = args.keys.unwrap_or_else(|| args.confs[0].with_file_name("keys"));
    let keys = match Keys::load(&folder) {
        Ok(keys) => keys,
        Err(error) => {
            let words = format!("{}; name their folder with --keys", error.with_cause());
            report.one("the keys are there, and nobody else's", Err(words))?;
            return report.end();
        }
    };
    report.one("the keys are there, and nobody else's", Ok(folder.display().to_string()))?;
    let mut read = vec![];
    for path in &args.confs {
        report.conf = (args.confs.len() > 1).then(|| path.display().to_string());
        read.extend(one(&mut report, &binary, path, &keys, args.plain).await?);
    }
    report.conf = None;
    if args.confs.len() > 1 && read.len() == args.confs.len() {
        report.all(&audit::together(&read))?;
    }
    report.end()
}

/// A configuration that can't be opened was named by mistake, and nothing is looked at.
fn there(path: &Path) -> Result<(), Failure> {
    let at = path.display();
    let opened = File::open(path).and_then(|file| file.metadata());
    match opened {
        Ok(file) if file.is_file() => Ok(()),
        Ok(_) => Err(Failure::Usage(format!("{at} isn't a file; name a configuration of nats-server"))),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            Err(Failure::Usage(format!("there is no file {at}; name a configuration of nats-server")))
        }
        Err(e) => Err(Failure::Usage(format!("can't read {at}: {e}"))),
    }
}

/// Looks at one configuration; what stands in it, if it could be read.
async fn one(
    report: &mut Report,
    binary: &NatsServer,
    path: &Path,
    keys: &Keys,
    plain: bool,
) -> Result<Option<Value>, Failure> {
    let loads = "nats-server takes the file, and the files that it names";
    let digest = match binary.digest(path) {
        Ok(digest) => digest,
        Err(error) => {
            report.one(loads, Err(error.to_string()))?;
            return Ok(None);
        }
    };
    report.one(loads, Ok(path.display().to_string()))?;
    let conf = match understood(binary, path, &digest) {
        Ok(conf) => conf,
        Err(words) => {
            report.one("the file is understood here", Err(words))?;
            return Ok(None);
        }
    };
    let mut checks = vec![audit::file(path, &conf)];
    checks.extend(audit::audit(&conf, keys, plain));
    report.all(&checks)?;
    if checks.iter().any(Check::failed) {
        report.note("it wasn't started: put right what failed first")?;
    } else {
        for (what, outcome) in trial::run(binary, &conf, keys).await {
            report.one(what, outcome)?;
        }
    }
    Ok(Some(conf))
}

/// What stands in the file: what is judged must be what nats-server reads.
fn understood(binary: &NatsServer, path: &Path, digest: &str) -> Result<Value, String> {
    let conf = conf::read(path).map_err(|e| e.to_string())?;
    let dir = tempfile::tempdir().map_err(|e| e.to_string())?;
    let same = dir.path().join("same.conf");
    std::fs::write(&same, conf.to_string()).map_err(|e| e.to_string())?;
    match binary.digest(&same) {
        Ok(ours) if ours == digest => Ok(conf),
        _ => {
            Err("nats-server reads something else in it; write it more plainly, as `kez nats init` does"
                .into())
        }
    }
}

/// What was looked at so far.
struct Report {
    out: Output,
    conf: Option<String>,
    looked_at: usize,
    failed: usize,
}

impl Report {
    fn all(&mut self, checks: &[Check]) -> Result<(), Failure> {
        for check in checks {
            if check.problems.is_empty() {
                self.one(check.what, Ok(String::new()))?;
                continue;
            }
            self.looked_at += 1;
            self.failed += usize::from(check.failed());
            for Problem { grave, text } in &check.problems {
                self.line(if *grave { "FAIL" } else { "note" }, check.what, text)?;
            }
        }
        Ok(())
    }

    fn one(&mut self, what: &str, outcome: Result<String, String>) -> Result<(), Failure> {
        self.looked_at += 1;
        match outcome {
            Ok(more) => self.line("ok", what, &more),
            Err(problem) => {
                self.failed += 1;
                self.line("FAIL", what, &problem)
            }
        }
    }

    fn note(&mut self, text: &str) -> Result<(), Failure> {
        self.line("note", "a trial", text)
    }

    fn line(&self, result: &str, what: &str, more: &str) -> Result<(), Failure> {
        let more = kez_client::text::line(more);
        let behind = match (result, more.as_str()) {
            (_, "") => String::new(),
            ("ok", more) => format!(" {FAINT}({more}){FAINT:#}"),
            (_, more) => format!(": {more}"),
        };
        let place = self.conf.as_ref().map(|conf| format!("{conf}: ")).unwrap_or_default();
        let program =
            json!({"result": result.to_lowercase(), "check": what, "detail": more, "conf": self.conf});
        Ok(self.out.result(&format!("{result:4}  {place}{what}{behind}"), &program)?)
    }

    fn end(self) -> Result<(), Failure> {
        match self.failed {
            0 => Ok(()),
            n => Err(Failure::refused(format!("{n} of {} checks failed", self.looked_at))),
        }
    }
}
