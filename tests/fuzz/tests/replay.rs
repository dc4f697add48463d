//! The committed corpus through every target: each input that once reached something new, and each that once broke something.

use std::{fs, path::Path};

type Target = fn(&[u8]);

const TARGETS: [(&str, Target); 5] = [
    ("auth_header", kez_fuzz::auth_header),
    ("registration", kez_fuzz::registration),
    ("request_jwt", kez_fuzz::request_jwt),
    ("session_token", kez_fuzz::session_token),
    ("subjects", kez_fuzz::subjects),
];

#[test]
fn the_corpus_breaks_nothing() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (name, target) in TARGETS {
        let inputs = fs::read_dir(corpus.join(name)).unwrap_or_else(|e| panic!("{name} has no corpus: {e}"));
        let inputs: Vec<_> = inputs.map(|file| fs::read(file.unwrap().path()).unwrap()).collect();
        inputs.iter().for_each(|input| target(input));
        // Without it the fuzzer wouldn't get past the first check.
        assert!(inputs.contains(&kez_fuzz::valid(name)), "the corpus of {name} lacks the valid input");
    }
}
