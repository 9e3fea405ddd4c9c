//! What the kernel does for this mount to spare requests, and why it does not where it does not.

use fuser::{InitFlags, KernelConfig};

/// One way of sparing requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feature {
    /// What it is.
    pub name: &'static str,
    /// Whether the kernel does it.
    pub on: bool,
    /// How much of it; or why not.
    pub detail: String,
}

impl Feature {
    pub(super) fn on(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, on: true, detail: detail.into() }
    }

    pub(super) fn off(name: &'static str, why: impl Into<String>) -> Self {
        Self { name, on: false, detail: why.into() }
    }
}

/// What is asked of the kernel, one at a time: a kernel that lacks one would refuse the whole set.
///
/// WRITEBACK_CACHE is not wanted: it would mix a draft's pages, and there is no passthrough beside it. CACHE_SYMLINKS and
/// EXPLICIT_INVAL_DATA are of no use where there are no links and no inode changes its bytes behind the kernel's back.
/// Of the others, fuser 0.18 cannot carry out what SETXATTR_EXT, SECURITY_CTX, CREATE_SUPP_GROUP, ALLOW_IDMAP,
/// OVER_IO_URING, HAS_RESEND, REQUEST_TIMEOUT, MAP_ALIGNMENT and SUBMOUNTS let the kernel ask for.
pub(super) fn negotiate(config: &mut KernelConfig) -> std::io::Result<Vec<Feature>> {
    if config.add_capabilities(InitFlags::FUSE_ATOMIC_O_TRUNC).is_err() {
        return Err(std::io::ErrorKind::Unsupported.into()); // 3.4 needs O_TRUNC in the open
    }
    let wanted = [
        ("parallel directory operations", InitFlags::FUSE_PARALLEL_DIROPS),
        ("readdirplus", InitFlags::FUSE_DO_READDIRPLUS),
        ("readdirplus on demand", InitFlags::FUSE_READDIRPLUS_AUTO),
        // spares a GETXATTR for each write: nothing here is ever set-user-id
        ("writes without a look at capabilities", InitFlags::FUSE_HANDLE_KILLPRIV_V2),
    ];
    let features = wanted.map(|(name, flag)| match config.add_capabilities(flag) {
        Ok(()) => Feature::on(name, ""),
        Err(_) => Feature::off(name, "the kernel does not offer it"),
    });
    Ok(features.to_vec())
}
