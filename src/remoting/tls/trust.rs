//! Whom a handshake trusts, where 4.3.0 is laxer than the library (Java: `InsecureTrustManagerFactory`, and a
//! trust manager of certificates without a look at names). That the other side has its certificate's key is
//! always verified.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme};

use super::load::provider;

/// `tls.client.authServer=false`: every server.
#[derive(Debug)]
pub(super) struct AnyServer(Arc<CryptoProvider>);

/// `tls.client.authServer=true`: servers whose certificate one of these has signed, whatever their name.
#[derive(Debug)]
pub(super) struct TrustedServer {
    roots: Arc<RootCertStore>,
    provider: Arc<CryptoProvider>,
}

/// `tls.server.authClient=false`: every client certificate.
#[derive(Debug)]
pub(super) struct AnyClient {
    is_mandatory: bool,
    provider: Arc<CryptoProvider>,
}

impl AnyServer {
    pub(super) fn new() -> AnyServer {
        AnyServer(provider())
    }
}

impl TrustedServer {
    pub(super) fn new(roots: Arc<RootCertStore>) -> TrustedServer {
        TrustedServer { roots, provider: provider() }
    }
}

impl AnyClient {
    pub(super) fn new(is_mandatory: bool) -> AnyClient {
        AnyClient { is_mandatory, provider: provider() }
    }
}

/// What all of them have in common: signatures of the handshake.
macro_rules! signatures {
    ($($provider:tt)+) => {
        fn verify_tls12_signature(
            &self,
            message: &[u8],
            cert: &CertificateDer<'_>,
            signed: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            verify_tls12_signature(message, cert, signed, &self.$($provider)+.signature_verification_algorithms)
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            cert: &CertificateDer<'_>,
            signed: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            verify_tls13_signature(message, cert, signed, &self.$($provider)+.signature_verification_algorithms)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            self.$($provider)+.signature_verification_algorithms.supported_schemes()
        }
    };
}

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    signatures!(0);
}

impl ServerCertVerifier for TrustedServer {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let parsed = ParsedCertificate::try_from(end_entity)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&parsed, &self.roots, intermediates, now, algorithms)?;
        Ok(ServerCertVerified::assertion())
    }

    signatures!(provider);
}

impl ClientCertVerifier for AnyClient {
    fn client_auth_mandatory(&self) -> bool {
        self.is_mandatory
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    signatures!(provider);
}
