//! What is answered: the paths, the page, and the headers that keep browsers from doing more with it than showing it.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use bytes::Bytes;
use tokio::task::spawn_blocking;

use super::Watched;
use super::metrics::Exposition;
use super::overview::View;
use super::request::Refused;

const TEXT: &str = "text/plain; charset=utf-8";
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";
const JSON: &str = "application/json";
const HTML: &str = "text/html; charset=utf-8";

/// An answer, still without its connection's header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    status: u16,
    content_type: &'static str,
    /// Of a page, what its script and its style are recognized by.
    nonce: Option<String>,
    pub body: Bytes,
}

impl Answer {
    fn new(status: u16, content_type: &'static str, body: impl Into<Bytes>) -> Answer {
        Answer { status, content_type, nonce: None, body: body.into() }
    }

    /// A line of text.
    pub fn text(status: u16, text: &str) -> Answer {
        Answer::new(status, TEXT, format!("{text}\n"))
    }

    /// The answer to a request that is none.
    pub fn refused(refused: Refused) -> Answer {
        Answer::text(refused.status(), &refused.to_string())
    }

    /// Status line and headers.
    pub fn head(&self, keep_alive: bool) -> String {
        let policy = match &self.nonce {
            Some(nonce) => format!(
                "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; \
                 base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
            ),
            None => "default-src 'none'; frame-ancestors 'none'".to_owned(),
        };
        let (status, length, kind) = (self.status, self.body.len(), self.content_type);
        let allow = if status == 405 { "Allow: GET, HEAD\r\n" } else { "" };
        let retry = if status == 503 { "Retry-After: 5\r\n" } else { "" };
        let connection = if keep_alive { "keep-alive" } else { "close" };
        format!(
            "HTTP/1.1 {status} {}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: {connection}\r\n\
             Cache-Control: no-store\r\nContent-Security-Policy: {policy}\r\nX-Content-Type-Options: nosniff\r\n\
             Referrer-Policy: no-referrer\r\nCross-Origin-Resource-Policy: same-origin\r\n{allow}{retry}\r\n",
            reason(status)
        )
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Content Too Large",
        421 => "Misdirected Request",
        431 => "Request Header Fields Too Large",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "Internal Server Error",
    }
}

/// Whether a path's answer takes time and memory: few of them are made and sent at once.
pub fn is_large(path: &str) -> bool {
    matches!(path, "/metrics" | "/api/overview.json")
}

/// Answers a path and its query.
pub async fn of(path: &str, query: &str, watched: Arc<dyn Watched>) -> Answer {
    match path {
        "/" => page(),
        "/healthz" => Answer::text(200, "ok"),
        "/readyz" => {
            collected(move || match watched.trouble() {
                Some(trouble) => Answer::text(503, &trouble),
                None => Answer::text(200, "ok"),
            })
            .await
        }
        "/metrics" => {
            collected(move || {
                let mut metrics = Exposition::default();
                watched.metrics(&mut metrics);
                Answer::new(200, METRICS, metrics.finish())
            })
            .await
        }
        "/api/overview.json" => {
            watched.look_around().await;
            let view = View::of(query);
            collected(move || match serde_json::to_vec(&watched.overview(&view)) {
                Ok(json) => Answer::new(200, JSON, json),
                Err(error) => Answer::text(500, &error.to_string()),
            })
            .await
        }
        _ => Answer::text(404, "there are /, /metrics, /healthz, /readyz and /api/overview.json"),
    }
}

async fn collected(collect: impl FnOnce() -> Answer + Send + 'static) -> Answer {
    spawn_blocking(collect).await.unwrap_or_else(|error| {
        tracing::error!(%error, "figures not collected");
        Answer::text(500, "the figures could not be collected; see the log")
    })
}

fn page() -> Answer {
    // Random enough: nothing that others have written stands in the page.
    let nonce = format!("{:016x}", RandomState::new().hash_one("page"));
    let html = include_str!("page/page.html")
        .replace("{{style}}", include_str!("page/page.css"))
        .replace("{{script}}", include_str!("page/page.js"))
        .replace("{{nonce}}", &nonce);
    Answer { nonce: Some(nonce), ..Answer::new(200, HTML, html) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_whole_and_lets_nothing_else_in() {
        let page = page();
        let html = std::str::from_utf8(&page.body).unwrap();
        assert!(!html.contains("{{"), "a place is not filled");
        assert!(
            !html.contains("://")
                || html.matches("://").count() == html.matches("http://www.w3.org/").count()
        );
        assert!(!html.contains("innerHTML") && !html.contains("eval("), "text from others becomes text only");
        let nonce = page.nonce.as_ref().unwrap();
        assert_eq!(html.matches(&format!("nonce=\"{nonce}\"")).count(), 2);
        let head = page.head(true);
        assert!(head.contains("default-src 'none'") && !head.contains("unsafe"), "{head}");
        assert_ne!(page.nonce, super::page().nonce);
    }

    #[test]
    fn heads_are_whole() {
        let head = Answer::refused(Refused::Method).head(false);
        assert!(head.starts_with("HTTP/1.1 405 Method Not Allowed\r\n"), "{head}");
        assert!(head.contains("\r\nAllow: GET, HEAD\r\n") && head.ends_with("\r\n\r\n"), "{head}");
        assert!(head.contains("\r\nConnection: close\r\n"), "{head}");
    }
}
