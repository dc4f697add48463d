//! Certificates of an authority that no system knows.

use std::{fs, path::PathBuf};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

/// An authority, and a folder for its files.
pub struct Authority {
    dir: TempDir,
    issuer: Issuer<'static, KeyPair>,
}

/// Files of a certificate and its key, PEM.
pub struct Files {
    /// The certificate.
    pub cert: String,
    /// Its private key.
    pub key: String,
}

impl Default for Authority {
    /// A fresh one.
    fn default() -> Self {
        let (dir, key) = (tempfile::tempdir().unwrap(), KeyPair::generate().unwrap());
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        fs::write(dir.path().join("ca.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
        Self { dir, issuer: Issuer::new(params, key) }
    }
}

impl Authority {
    /// The file of its certificate.
    pub fn file(&self) -> String {
        self.path("ca.pem").display().to_string()
    }

    /// A certificate for this name.
    pub fn certify(&self, name: &str) -> Files {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        let files = [(format!("{name}.pem"), cert.pem()), (format!("{name}.key"), key.serialize_pem())];
        let [cert, key] = files.map(|(file, pem)| {
            let path = self.path(&file);
            fs::write(&path, pem).unwrap();
            path.display().to_string()
        });
        Files { cert, key }
    }

    fn path(&self, file: &str) -> PathBuf {
        self.dir.path().join(file)
    }
}
