//! How the certificate of NATS, or of a collector, is judged.

use std::{path::Path, sync::Arc};

use async_nats::rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject},
};

use crate::{Failure, Kind, nats::NatsArgs, pinned};

/// By the one certificate that is named, else by the authority that is named, else by those that this system trusts.
pub fn client_config(args: &NatsArgs) -> Result<ClientConfig, Failure> {
    if let Some(certificate) = &args.nats_certificate {
        return pinned::client_config(certificate.clone()).map_err(Failure::internal);
    }
    match &args.nats_ca {
        Some(file) => trusting(certificates(file)?),
        None => of_this_system(),
    }
}

/// By the authorities that this system trusts.
pub fn of_this_system() -> Result<ClientConfig, Failure> {
    trusting(rustls_native_certs::load_native_certs().certs)
}

fn trusting(certificates: Vec<CertificateDer<'static>>) -> Result<ClientConfig, Failure> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates);
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(Failure::internal)?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let unusable = |why: &dyn std::fmt::Display| {
        Failure::new(Kind::Configuration, format!("--nats-ca {}: {why}", file.display()))
    };
    let certificates = CertificateDer::pem_file_iter(file).map_err(|e| unusable(&e))?;
    let certificates: Vec<_> = certificates.collect::<Result<_, _>>().map_err(|e| unusable(&e))?;
    if certificates.is_empty() { Err(unusable(&"holds no certificate")) } else { Ok(certificates) }
}
