//! The `cairnfs` program: parse, run, exit code.
use std::sync::Arc;
use std::time::Duration;
fn main() {
    tracing_subscriber::fmt().with_env_filter(tracing_subscriber::EnvFilter::from_default_env()).with_writer(std::io::stderr).init();
    let a: Vec<String> = std::env::args().collect();
    let rt = tokio::runtime::Runtime::new().unwrap();
    let (dir, mnt, state) = (&a[1], &a[2], &a[3]);
    std::fs::create_dir_all(state).unwrap();
    let layout = Arc::new(cairnfs::layout::Layout::new(cairnfs::layout::builtin_domains(), Default::default()).unwrap());
    let store: Arc<dyn cairnfs::store::ObjectStore> = Arc::new(cairnfs::store::DirStore::new(std::path::Path::new(dir), ".cairnfs/", Default::default()).unwrap());
    let catalog = Arc::new(cairnfs::catalog::Catalog::open(&std::path::Path::new(state).join("catalog.sqlite"), &store.url()).unwrap());
    let staging = Arc::new(cairnfs::drafts::staging::Staging::open(&std::path::Path::new(state).join("staging"), 1<<20).unwrap());
    let inv = Arc::new(cairnfs::fuse::Invalidator::default());
    let parts = cairnfs::fs::Parts { capabilities: store.known_capabilities().unwrap(), reader: Arc::new(cairnfs::read::ObjectReader { store: store.clone() }), store, catalog, layout, staging, cache: Arc::new(cairnfs::cache::Cache), notices: inv.clone() };
    let o = cairnfs::fs::Options { ownership: cairnfs::fs::Ownership { uid: 0, gid: 0, file_mode: 0o644, dir_mode: 0o755 }, close_wait: Duration::from_secs(60), rename_wait: Duration::from_secs(5), list_ttl: Duration::from_secs(10), miss_ttl: Duration::from_secs(2), deadline: Duration::from_secs(30), empty_after: Duration::from_secs(60), delete_after: Duration::from_secs(5), read_only: false };
    let fs = cairnfs::fs::Filesystem::new(parts, o, Duration::from_secs(20)).unwrap();
    let _g = rt.enter();
    fs.recover().unwrap();
    rt.spawn(fs.clone().housekeeping());
    let m = cairnfs::fuse::mount(&fs, &inv, std::path::Path::new(mnt), &cairnfs::fuse::MountOptions { source: "x".into(), allow_other: true, read_only: false, deadline: Duration::from_secs(30) }, rt.handle()).unwrap();
    rt.block_on(async { tokio::select! { _ = tokio::signal::ctrl_c() => {}, _ = m.ended() => {} } ; println!("left {}", fs.drain(Duration::from_secs(60)).await); });
    m.unmount(true).unwrap();
}
