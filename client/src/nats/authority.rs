//! Who vouches for a server, where that is nobody whom this system trusts; and what a certificate that nobody vouches for fails by.

use std::{
    error::Error as StdError,
    io,
    path::{Path, PathBuf},
};

use rustls::{
    CertificateError, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};

/// A file with the certificates of authorities, PEM. They count for this server's NATS instead of those that the system trusts.
#[derive(Clone, Debug)]
pub struct Authority(pub(crate) PathBuf);

impl Authority {
    /// Takes a file that holds at least one certificate, and none that can't be an authority's. It is read again for each connection.
    pub fn read(file: &Path) -> io::Result<Self> {
        let unfit = |why: &dyn std::fmt::Display| io::Error::new(io::ErrorKind::InvalidData, why.to_string());
        // A folder opens, and has no bytes.
        let pem = std::fs::read(file)?;
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            roots.add(certificate.map_err(|e| unfit(&e))?).map_err(|e| unfit(&e))?;
        }
        if roots.is_empty() {
            return Err(unfit(&"it holds no certificate (PEM)"));
        }
        Ok(Self(file.to_owned()))
    }
}

/// What is wrong with the certificate that a server showed, if that is why a connection failed.
pub(crate) fn rejection(error: &(dyn StdError + 'static)) -> Option<String> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        // An error of I/O hides the one that it is made of.
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let tls = inner.and_then(|e| e.downcast_ref()).or_else(|| error.downcast_ref::<rustls::Error>());
        if let Some(rustls::Error::InvalidCertificate(why)) = tls {
            return Some(words(why));
        }
        cause = error.source();
    }
    None
}

fn words(why: &CertificateError) -> String {
    match why {
        // A bad signature is that of another authority of the same name.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "nobody who is trusted here vouches for its certificate".into()
        }
        // That it is for another name, or out of date: it says which, and when.
        why => format!("its certificate isn't right: {why}"),
    }
}
