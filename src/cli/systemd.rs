//! What systemd is told where it asks for it (`Type=notify`): that the server runs, and that it stops. A datagram of text to
//! the socket that `NOTIFY_SOCKET` names, as sd_notify(3) describes it; nothing else of systemd's.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// The server serves.
pub const READY: &str = "READY=1";
/// It has begun to stop.
pub const STOPPING: &str = "STOPPING=1";

/// Tells it, where somebody wants to know.
pub fn tell(state: &str) {
    let Some(name) = std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else { return };
    if let Err(error) = send(&name, state) {
        tracing::warn!(%error, socket = %name.display(), state, "systemd not told");
    }
}

fn send(name: &OsStr, state: &str) -> io::Result<()> {
    let addr = match name.as_bytes() {
        // A name without a file.
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(name)?,
    };
    UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &addr)?;
    Ok(())
}
