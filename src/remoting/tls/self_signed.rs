//! A certificate for `tls.test.mode.enable=true` (Java: Netty's `SelfSignedCertificate`): made anew at each start,
//! never written. It encodes this one certificate and nothing else.

use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;

use super::TlsError;
use super::load::provider;

const NAME: &str = "rocketmq";
const ECDSA_WITH_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const OID: u8 = 0x06;
const UTF8_STRING: u8 = 0x0c;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const DNS_NAME: u8 = 0x82;
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;

/// A new key with its certificate.
pub(super) fn certified() -> Result<CertifiedKey, TlsError> {
    let random = SystemRandom::new();
    let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).map_err(|_| TlsError::Random)?;
    let pair = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).map_err(|_| TlsError::Random)?;
    let mut serial = [0; 16];
    random.fill(&mut serial).map_err(|_| TlsError::Random)?;
    // Neither negative nor with a zero in front.
    serial[0] = serial[0] & 0x3f | 0x40;
    let content = content(&serial, pair.public_key().as_ref());
    let signature = pair.sign(&random, &content).map_err(|_| TlsError::Random)?;
    let certificate = value(SEQUENCE, &[&content, &signature_algorithm(), &bits(signature.as_ref())]);
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(pkcs8.as_ref().to_vec()));
    let signer = provider().key_provider.load_private_key(key)?;
    Ok(CertifiedKey::new(vec![CertificateDer::from(certificate)], signer))
}

/// X.509's `TBSCertificate`, version 3.
fn content(serial: &[u8], public_key: &[u8]) -> Vec<u8> {
    let name = value(SEQUENCE, &[&value(OID, &[COMMON_NAME]), &value(UTF8_STRING, &[NAME.as_bytes()])]);
    let name = value(SEQUENCE, &[&value(SET, &[&name])]);
    let from = value(UTC_TIME, &[b"000101000000Z"]);
    let until = value(GENERALIZED_TIME, &[b"99991231235959Z"]);
    let algorithm = value(SEQUENCE, &[&value(OID, &[EC_PUBLIC_KEY]), &value(OID, &[P256])]);
    let names = value(SEQUENCE, &[&value(DNS_NAME, &[NAME.as_bytes()])]);
    let extension = value(SEQUENCE, &[&value(OID, &[SUBJECT_ALT_NAME]), &value(OCTET_STRING, &[&names])]);
    value(
        SEQUENCE,
        &[
            &value(VERSION, &[&value(INTEGER, &[&[2]])]),
            &value(INTEGER, &[serial]),
            &signature_algorithm(),
            &name,
            &value(SEQUENCE, &[&from, &until]),
            &name,
            &value(SEQUENCE, &[&algorithm, &bits(public_key)]),
            &value(EXTENSIONS, &[&value(SEQUENCE, &[&extension])]),
        ],
    )
}

fn signature_algorithm() -> Vec<u8> {
    value(SEQUENCE, &[&value(OID, &[ECDSA_WITH_SHA256])])
}

/// A bit string of whole bytes.
fn bits(bytes: &[u8]) -> Vec<u8> {
    value(BIT_STRING, &[&[0], bytes])
}

/// DER: tag, length, content.
fn value(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let mut out = vec![tag];
    let length = content.len().to_be_bytes();
    let significant = length.iter().skip_while(|byte| **byte == 0).copied().collect::<Vec<u8>>();
    match significant.as_slice() {
        [] => out.push(0),
        [short] if *short < 0x80 => out.push(*short),
        long => {
            out.push(0x80 | u8::try_from(long.len()).expect("a length has eight bytes at most"));
            out.extend_from_slice(long);
        }
    }
    out.extend_from_slice(&content);
    out
}
