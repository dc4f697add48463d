//! TLS in front of a server that has none, as an operator's reverse proxy has it.

use std::sync::Arc;

use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

use crate::tls::Authority;

/// It ends with this value.
pub struct TlsProxy {
    /// Where it is: `https://127.0.0.1:…`
    pub url: String,
    /// Who vouches for it.
    pub authority: Authority,
    _serving: JoinSet<()>,
}

impl TlsProxy {
    /// One in front of the server at this `http://` address.
    pub async fn start(server: &str) -> Self {
        let authority = Authority::default();
        let files = authority.certify("127.0.0.1");
        let certificate = CertificateDer::from_pem_file(files.cert).unwrap();
        let key = PrivateKeyDer::from_pem_file(files.key).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let config = config.with_single_cert(vec![certificate], key).unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let server = server.trim_start_matches("http://").to_owned();
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let (acceptor, server) = (acceptor.clone(), server.clone());
                connections.spawn(async move {
                    // Whoever doesn't trust the certificate hangs up, and whoever has the answer.
                    let Ok(mut client) = acceptor.accept(client).await else { return };
                    let Ok(mut server) = TcpStream::connect(server).await else { return };
                    let _ = copy_bidirectional(&mut client, &mut server).await;
                });
            }
        });
        Self { url, authority, _serving: serving }
    }
}
