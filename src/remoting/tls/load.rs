//! From files to what the library works with (Java: `TlsHelper.buildSslContext`). Files are read first, all of
//! them, so that what is compared when they change is what was used.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
pub(super) use rustls::{ClientConfig, ServerConfig};

use super::settings::{CLIENT, ClientAuth, Names, SERVER, TlsSettings};
use super::trust::{AnyClient, AnyServer, TrustedServer};
use super::{TlsError, self_signed};

/// A chain or a bundle of authorities is far smaller.
const FILE_MAX_BYTES: u64 = 4 * 1024 * 1024;

/// The properties that count, and what the files that they name hold.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Snapshot {
    settings: TlsSettings,
    files: BTreeMap<String, Result<Vec<u8>, String>>,
}

impl Snapshot {
    /// Reads everything. Blocks.
    pub(super) fn take(settings: &TlsSettings) -> Snapshot {
        let settings = match read(settings.config_file()) {
            Ok(text) => settings.with_file(&String::from_utf8_lossy(&text)),
            Err(reason) => {
                tracing::debug!(file = settings.config_file(), reason, "no TLS properties file");
                settings.clone()
            }
        };
        let names = [SERVER.cert, SERVER.key, SERVER.trust, CLIENT.cert, CLIENT.key, CLIENT.trust];
        let paths = names.into_iter().filter_map(|name| settings.path(name));
        let files = paths.map(|path| (path.to_owned(), read(path))).collect();
        Snapshot { settings, files }
    }

    /// Tells what is used.
    pub(super) fn log(&self) {
        for (key, value) in self.settings.shown() {
            tracing::info!("{key} = {value}");
        }
    }

    /// A property's file; none where the property is not set.
    fn file(&self, key: &'static str) -> Result<Option<(&str, &[u8])>, TlsError> {
        let Some(path) = self.settings.path(key) else { return Ok(None) };
        match self.files.get(path) {
            Some(Ok(text)) => Ok(Some((path, text))),
            Some(Err(reason)) => Err(TlsError::File { key, path: path.to_owned(), reason: reason.clone() }),
            None => Ok(None),
        }
    }

    /// A side's certificate chain with its key; none where neither is set.
    fn certified(&self, names: &Names) -> Result<Option<CertifiedKey>, TlsError> {
        let (cert, key) = (self.file(names.cert)?, self.file(names.key)?);
        let ((cert_path, cert), (key_path, key)) = match (cert, key) {
            (None, None) => return Ok(None),
            (Some(cert), Some(key)) => (cert, key),
            (Some(_), None) => return Err(TlsError::Half { given: names.cert, missing: names.key }),
            (None, Some(_)) => return Err(TlsError::Half { given: names.key, missing: names.cert }),
        };
        let chain = certificates(names.cert, cert_path, cert)?;
        let private = private_key(names.key, key_path, key)?;
        if self.settings.has_password(names) {
            tracing::warn!("{} is set and {key_path} is not encrypted: it is not used", names.password);
        }
        let signer = provider().key_provider.load_private_key(private).map_err(|error| {
            TlsError::Unusable { key: names.key, path: key_path.to_owned(), reason: error.to_string() }
        })?;
        // Looked for as bytes: a certificate of version 1, as `openssl x509 -req` makes them, is none that the
        // library would take apart.
        let belongs = signer.public_key().is_none_or(|public| {
            let public: &[u8] = public.as_ref();
            chain.first().is_some_and(|cert| cert.windows(public.len()).any(|part| part == public))
        });
        if !belongs {
            return Err(TlsError::Mismatch { cert: cert_path.to_owned(), key: key_path.to_owned() });
        }
        Ok(Some(CertifiedKey::new(chain, signer)))
    }

    /// Whom a side trusts; none where it does not verify.
    fn roots(&self, names: &Names) -> Result<Option<Arc<RootCertStore>>, TlsError> {
        if !self.settings.verifies(names) {
            return Ok(None);
        }
        let Some((path, text)) = self.file(names.trust)? else {
            return Err(TlsError::NoTrust { switch: names.verify, key: names.trust });
        };
        let mut roots = RootCertStore::empty();
        for certificate in certificates(names.trust, path, text)? {
            roots.add(certificate).map_err(|error| TlsError::Unusable {
                key: names.trust,
                path: path.to_owned(),
                reason: error.to_string(),
            })?;
        }
        Ok(Some(Arc::new(roots)))
    }
}

fn read(path: &str) -> Result<Vec<u8>, String> {
    let meta = fs::metadata(path).map_err(|error| error.to_string())?;
    if !meta.is_file() {
        return Err("it is no file".to_owned());
    }
    if meta.len() > FILE_MAX_BYTES {
        return Err(format!("it is larger than {FILE_MAX_BYTES} bytes"));
    }
    fs::read(path).map_err(|error| error.to_string())
}

fn certificates(
    key: &'static str,
    path: &str,
    text: &[u8],
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    match chain {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        _ => Err(TlsError::Pem { key, path: path.to_owned(), what: "certificate" }),
    }
}

fn private_key(key: &'static str, path: &str, text: &[u8]) -> Result<PrivateKeyDer<'static>, TlsError> {
    let has = |mark: &[u8]| text.windows(mark.len()).any(|part| part == mark);
    if has(b"BEGIN ENCRYPTED PRIVATE KEY") || has(b"Proc-Type: 4,ENCRYPTED") {
        return Err(TlsError::Encrypted { key, path: path.to_owned() });
    }
    PrivateKeyDer::from_pem_slice(text).map_err(|_| TlsError::Pem {
        key,
        path: path.to_owned(),
        what: "private key",
    })
}

pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// A server's side; none without a certificate.
pub(super) fn server(snapshot: &Snapshot) -> Result<Option<Arc<ServerConfig>>, TlsError> {
    let settings = &snapshot.settings;
    let is_test = settings.test_mode() == Some(true);
    let certified = if is_test {
        tracing::warn!(
            "tls.test.mode.enable=true: a certificate made for this run, which protects from nobody who can \
             change what is sent; tls.server.* is not used"
        );
        Some(self_signed::certified()?)
    } else {
        snapshot.certified(&SERVER)?
    };
    let Some(certified) = certified else { return Ok(None) };
    let builder = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    let auth = if is_test { ClientAuth::Optional } else { settings.client_auth()? };
    let roots = if is_test { None } else { snapshot.roots(&SERVER)? };
    let is_mandatory = auth == ClientAuth::Require;
    let builder = match (auth, roots) {
        (ClientAuth::None, _) => builder.with_no_client_auth(),
        (_, None) => builder.with_client_cert_verifier(Arc::new(AnyClient::new(is_mandatory))),
        (_, Some(roots)) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider());
            let verifier = if is_mandatory { verifier } else { verifier.allow_unauthenticated() };
            let verifier = verifier.build().map_err(|error| TlsError::Unusable {
                key: SERVER.trust,
                path: settings.path(SERVER.trust).unwrap_or_default().to_owned(),
                reason: error.to_string(),
            })?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    Ok(Some(Arc::new(builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(certified))))))
}

/// A client's side. As in 4.3.0 anyone is trusted unless `tls.client.authServer` is set.
pub(super) fn client(snapshot: &Snapshot) -> Result<Arc<ClientConfig>, TlsError> {
    let is_test = snapshot.settings.test_mode() == Some(true);
    let roots = if is_test { None } else { snapshot.roots(&CLIENT)? };
    let certified = if is_test { None } else { snapshot.certified(&CLIENT)? };
    let builder =
        ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?.dangerous();
    let builder = match roots {
        None => builder.with_custom_certificate_verifier(Arc::new(AnyServer::new())),
        Some(roots) => builder.with_custom_certificate_verifier(Arc::new(TrustedServer::new(roots))),
    };
    Ok(Arc::new(match certified {
        None => builder.with_no_client_auth(),
        Some(certified) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certified))),
    }))
}
