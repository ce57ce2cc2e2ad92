//! A request's head, read strictly: anything that two programs might read differently is refused. No bodies.

use std::fmt;

/// The most bytes of request line and headers.
pub const HEAD_MAX_BYTES: usize = 8 * 1024;
const HEADERS_MAX: usize = 100;

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// A HEAD: the same answer without its body.
    pub is_head: bool,
    /// Without the query.
    pub path: String,
    /// What follows the path's question mark.
    pub query: String,
    /// `Host`, without the port.
    pub host: Option<String>,
    /// Another request may follow on the connection.
    pub keep_alive: bool,
}

/// Why a request is refused, and with which status. The connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    Malformed(&'static str),
    TooLong,
    Method,
    Body,
    Version,
}

impl Refused {
    /// The status to answer with.
    pub fn status(self) -> u16 {
        match self {
            Refused::Malformed(_) => 400,
            Refused::TooLong => 431,
            Refused::Method => 405,
            Refused::Body => 413,
            Refused::Version => 505,
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::Malformed(what) => f.write_str(what),
            Refused::TooLong => write!(f, "request line and headers may have {HEAD_MAX_BYTES} bytes"),
            Refused::Method => f.write_str("only GET and HEAD are answered"),
            Refused::Body => f.write_str("requests have no bodies here"),
            Refused::Version => f.write_str("only HTTP/1.0 and HTTP/1.1 are spoken"),
        }
    }
}

/// The length of the head at the beginning of `bytes`, once it is whole.
pub fn head_length(bytes: &[u8]) -> Result<Option<usize>, Refused> {
    // Other protocols are recognized by their first byte, and need not be waited for.
    if bytes.first().is_some_and(|byte| !byte.is_ascii_alphabetic()) {
        return Err(Refused::Malformed("that is not HTTP"));
    }
    let window = &bytes[..bytes.len().min(HEAD_MAX_BYTES)];
    match window.windows(4).position(|four| four == b"\r\n\r\n") {
        Some(at) => Ok(Some(at + 4)),
        None if bytes.len() >= HEAD_MAX_BYTES => Err(Refused::TooLong),
        None => Ok(None),
    }
}

impl Request {
    /// Reads a whole head.
    pub fn parse(head: &[u8]) -> Result<Request, Refused> {
        let is_text = |byte: &u8| matches!(byte, b'\t' | b'\r' | b'\n' | b' '..=b'~');
        if !head.iter().all(is_text) {
            return Err(Refused::Malformed("the head has bytes that are no text"));
        }
        let text = std::str::from_utf8(head).map_err(|_| Refused::Malformed("the head is no text"))?;
        let text = text.strip_suffix("\r\n\r\n").ok_or(Refused::Malformed("the head has no end"))?;
        let mut lines = text.split("\r\n");
        let (is_head, target, is_new) = request_line(lines.next().unwrap_or_default())?;
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut request = Request {
            is_head,
            path: path.to_owned(),
            query: query.to_owned(),
            host: None,
            keep_alive: is_new,
        };
        for (number, line) in lines.enumerate() {
            if number == HEADERS_MAX {
                return Err(Refused::TooLong);
            }
            request.header(line)?;
        }
        if is_new && request.host.is_none() {
            return Err(Refused::Malformed("HTTP/1.1 needs a Host header"));
        }
        Ok(request)
    }

    fn header(&mut self, line: &str) -> Result<(), Refused> {
        if line.contains(['\r', '\n']) {
            return Err(Refused::Malformed("a line ends with half of a line's end"));
        }
        let (name, value) = line.split_once(':').ok_or(Refused::Malformed("a header has no colon"))?;
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err(Refused::Malformed("a header's name is none"));
        }
        let value = value.trim_matches([' ', '\t']);
        match name.to_ascii_lowercase().as_str() {
            "host" if self.host.is_some() => return Err(Refused::Malformed("two Host headers")),
            "host" => self.host = Some(without_port(value).to_owned()),
            "content-length" if value != "0" => return Err(Refused::Body),
            "transfer-encoding" => return Err(Refused::Body),
            "connection" => {
                let has = |word: &str| value.split(',').any(|it| it.trim().eq_ignore_ascii_case(word));
                self.keep_alive = (self.keep_alive || has("keep-alive")) && !has("close");
            }
            _ => {}
        }
        Ok(())
    }
}

fn request_line(line: &str) -> Result<(bool, &str, bool), Refused> {
    let mut words = line.split(' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(Refused::Malformed("the request line is not of three words"));
    };
    let is_new = match version {
        "HTTP/1.1" => true,
        "HTTP/1.0" => false,
        _ if version.starts_with("HTTP/") => return Err(Refused::Version),
        _ => return Err(Refused::Malformed("the request line is not of three words")),
    };
    let is_head = match method {
        "GET" => false,
        "HEAD" => true,
        _ if !method.is_empty() && method.bytes().all(is_token) => return Err(Refused::Method),
        _ => return Err(Refused::Malformed("the method is none")),
    };
    if !target.starts_with('/') || target.contains(['\r', '\n', '\t']) {
        return Err(Refused::Malformed("the target is no path"));
    }
    Ok((is_head, target, is_new))
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// `[::1]:80`, `host:80`, `host`.
fn without_port(host: &str) -> &str {
    match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((ip, _)) => ip,
        None => host.split(':').next().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read_strictly() {
        let check = |head: &str, expected: Result<(&str, Option<&str>, bool, bool), u16>| {
            let head = head.replace('\n', "\r\n");
            let parsed = Request::parse(head.as_bytes());
            let found =
                parsed.as_ref().map(|it| (it.path.as_str(), it.host.as_deref(), it.is_head, it.keep_alive));
            assert_eq!(found.map_err(|refused| refused.status()), expected, "{head:?}");
        };
        check("GET / HTTP/1.1\nHost: a\n\n", Ok(("/", Some("a"), false, true)));
        check("HEAD /x?y=/z HTTP/1.1\nhOST:\t[::1]:80 \n\n", Ok(("/x", Some("::1"), true, true)));
        check("GET /metrics HTTP/1.0\n\n", Ok(("/metrics", None, false, false)));
        check("GET / HTTP/1.0\nConnection: Keep-Alive\n\n", Ok(("/", None, false, true)));
        check("GET / HTTP/1.1\nHost: a:1\nConnection: x, close\n\n", Ok(("/", Some("a"), false, false)));
        check("GET / HTTP/1.1\nHost: a\nContent-Length: 0\n\n", Ok(("/", Some("a"), false, true)));
        check("GET / HTTP/1.1\n\n", Err(400));
        check("GET / HTTP/1.1\nHost: a\nHost: b\n\n", Err(400));
        check("GET / HTTP/1.1\nHost: a\nContent-Length: 1\n\n", Err(413));
        check("GET / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n", Err(413));
        check("POST / HTTP/1.1\nHost: a\n\n", Err(405));
        check("GET / HTTP/2\nHost: a\n\n", Err(505));
        check("GET http://a/ HTTP/1.1\nHost: a\n\n", Err(400));
        check("GET  / HTTP/1.1\nHost: a\n\n", Err(400));
        check("GET / HTTP/1.1\nHost : a\n\n", Err(400));
        check("GET / HTTP/1.1\nHost: a\n folded\n\n", Err(400));
        check("GET /\u{e9} HTTP/1.1\nHost: a\n\n", Err(400));
        check("GET / HTTP/1.1\nHost: a\0\n\n", Err(400));
        check("\n\n", Err(400));
        check(&format!("GET / HTTP/1.1\nHost: a\n{}\n", "a: b\n".repeat(101)), Err(431));
        assert!(Request::parse(b"GET / HTTP/1.1\nHost: a\r\n\r\n").is_err());
    }

    #[test]
    fn heads_end_and_have_a_limit() {
        assert_eq!(head_length(b"GET / HTTP/1.1\r\n\r\nGET"), Ok(Some(18)));
        assert_eq!(head_length(b"GET / HTTP/1.1\r\n"), Ok(None));
        assert_eq!(head_length(b""), Ok(None));
        assert_eq!(head_length(&[b'G'; HEAD_MAX_BYTES - 1]), Ok(None));
        assert_eq!(head_length(&[b'G'; HEAD_MAX_BYTES]), Err(Refused::TooLong));
        assert!(head_length(b"\x16\x03\x01").is_err());
    }
}
