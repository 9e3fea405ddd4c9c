//! Directories that were removed on a store that has directories of its own.

use crate::support::mount::{Kind, Setup};

/// 8.1: a directory that was removed here stays away, although a store may list it for a while after its last object has
/// gone (SeaweedFS has directories of its own).
#[test]
fn s8_1_removed_directory_does_not_come_back_on_seaweedfs() {
    let config = "[write]\nfree_floor = \"1MiB\"\n[read]\nlist_ttl = \"1s\"\n";
    let mut mount = Setup::new(Kind::Seaweed).config(config).start();
    let mut actor = mount.actor();
    let dir = format!("rfp_exports/removed-{}", std::process::id());
    for round in 1..=3 {
        actor.run(&format!("os.mkdir(p('{dir}')); write(p('{dir}/a.pdf'), b'{round}')"));
        actor.run(&format!("os.unlink(p('{dir}/a.pdf')); os.rmdir(p('{dir}'))"));
        for _ in 0..12 {
            std::thread::sleep(std::time::Duration::from_millis(250));
            let names = mount.names("rfp_exports");
            assert!(!names.iter().any(|n| dir.ends_with(n)), "round {round}: {names:?}");
        }
    }
    // but what somebody else puts there shows
    actor.run(&format!("os.mkdir(p('{dir}')); write(p('{dir}/b.pdf'), b'b')"));
    mount.stop();
    mount.start();
    assert_eq!(mount.names(&dir), ["b.pdf"]);
    mount.stop();
}
