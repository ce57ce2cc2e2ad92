//! What the interop tests share: the JDK and the Java helper programs ([`java`]), processes that die with the test
//! ([`process`]), clusters of stock Java servers, of ours, or of both ([`cluster`]), the two administration tools side by
//! side ([`tools`]), and what no honest client sends ([`abuse`]). The tests themselves are in `tests/`. Every wait is
//! bounded and ends on the event it waits for.

pub mod abuse;
pub mod cluster;
pub mod java;
pub mod live;
pub mod process;
pub mod rpc;
pub mod tools;

use std::path::{Path, PathBuf};

/// The checkout's root.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the member lies in the workspace")
}

/// The folder that holds `rocketmq` of the profile that this test was built in.
pub(crate) fn build_folder() -> PathBuf {
    let exe = std::env::current_exe().expect("the system knows the program");
    let deps = exe.parent().expect("a program lies in a folder");
    deps.parent().expect("test programs lie in target/PROFILE/deps").to_owned()
}
