//! What depends most on the server, on one that we did not write: SeaweedFS. Its bucket is shared by these tests, so each
//! keeps to a directory of its own, and looks into it past the mount.

use std::collections::BTreeMap;

use cairnfs::store::{ObjectMeta, ObjectStore, S3Store, UploadBody};
use cairnfs::types::ObjectKey;

use crate::FRESH;
use crate::support::actor::sh;
use crate::support::data::read;
use crate::support::mount::{Kind, Setup, content, eventually, is_alternative};
use crate::support::seaweed::seaweed;

/// Another client of the bucket.
struct Client {
    runtime: tokio::runtime::Runtime,
    store: S3Store,
}

impl Client {
    fn new() -> Self {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let store = runtime.block_on(S3Store::connect(seaweed().settings())).unwrap();
        Self { runtime, store }
    }

    /// Returns keys and bytes of everything below `prefix`.
    fn objects(&self, prefix: &str) -> BTreeMap<String, Vec<u8>> {
        self.runtime.block_on(async {
            let page = self.store.list(prefix, false, None, None).await.unwrap();
            let mut found = BTreeMap::new();
            for object in page.objects {
                // it may be deleted at this very moment
                if let Ok(data) = read(&self.store, &object.key).await {
                    found.insert(object.key.to_string(), data);
                }
            }
            found
        })
    }

    fn put(&self, key: &str, data: &[u8]) {
        let (key, body) = (ObjectKey::new(key).unwrap(), UploadBody::Bytes(data.to_vec().into()));
        self.runtime.block_on(self.store.create(&key, &body, &ObjectMeta::default())).unwrap();
    }

    fn remove(&self, key: &str) {
        let key = ObjectKey::new(key).unwrap();
        self.runtime.block_on(async {
            let etag = self.store.head(&key).await.unwrap().etag;
            self.store.delete(&key, &etag).await.unwrap();
        });
    }

    /// Returns what the trash has of the keys below `prefix`.
    fn trash(&self, prefix: &str) -> Vec<(String, Vec<u8>)> {
        let all = self.objects(".cairnfs/trash/").into_iter();
        all.filter_map(|(key, data)| Some((key.splitn(4, '/').nth(3)?.to_owned(), data)))
            .filter(|(key, _)| key.starts_with(prefix))
            .collect()
    }
}

#[test]
fn s4_1_seaweedfs_taken_name_gets_the_alternative_name() {
    let client = Client::new();
    let mut mount = Setup::new(Kind::Seaweed).config(FRESH).start();
    let dir = "rfp_exports/create/";
    client.put("rfp_exports/create/a.pdf", b"theirs");
    let mut user = mount.actor();
    user.run("write(p('rfp_exports/create/a.pdf'), b'ours'); write(p('rfp_exports/create/ä b.csv'), content(1, 6 << 20))");
    // nobody has told the mount of this one
    client.put("rfp_exports/create/c.pdf", b"theirs");
    user.run("write(p('rfp_exports/create/c.pdf'), b'ours')");
    let found = client.objects(dir);
    assert_eq!(found.len(), 5, "{:?}", found.keys());
    for key in ["rfp_exports/create/a.pdf", "rfp_exports/create/c.pdf"] {
        assert_eq!(found[key], b"theirs");
        assert!(found.iter().any(|(k, d)| is_alternative(k, key) && d == b"ours"), "{:?}", found.keys());
    }
    assert!(found["rfp_exports/create/ä b.csv"] == content(1, 6 << 20));
    mount.stop();
}

#[test]
fn s5_3_seaweedfs_deletes_into_the_trash_and_only_the_version_that_was_meant() {
    let client = Client::new();
    let late = FRESH.replace("delete_after = \"0s\"", "delete_after = \"1h\"");
    let mut mount = Setup::new(Kind::Seaweed).config(&late).start();
    for name in ["a", "b", "c"] {
        client.put(&format!("rfp_exports/delete/{name}.pdf"), b"old");
    }
    let mut user = mount.actor();
    user.run("for n in 'abc': os.unlink(p(f'rfp_exports/delete/{n}.pdf'))");
    assert_eq!(user.run("os.listdir(p('rfp_exports/delete'))"), serde_json::json!([]));
    client.remove("rfp_exports/delete/b.pdf");
    client.put("rfp_exports/delete/b.pdf", b"theirs");
    user.run("write(p('rfp_exports/delete/c.pdf'), b'new')"); // an overwrite in disguise
    drop(user);
    mount.stop();
    let found = client.objects("rfp_exports/delete/");
    assert_eq!(found.len(), 3, "{:?}", found.keys());
    assert_eq!(found["rfp_exports/delete/b.pdf"], b"theirs");
    assert_eq!(found["rfp_exports/delete/c.pdf"], b"old");
    assert_eq!(
        client.trash("rfp_exports/delete/"),
        [("rfp_exports/delete/a.pdf".to_owned(), b"old".to_vec())]
    );
    let out = mount.cli(&["trash", "restore", "rfp_exports/delete/a.pdf", "--store", &mount.url()]);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    assert_eq!(client.objects("rfp_exports/delete/")["rfp_exports/delete/a.pdf"], b"old");
    assert!(client.trash("rfp_exports/delete/").is_empty());
}

#[test]
fn s5_4_seaweedfs_objects_are_renamed_and_never_onto_another() {
    let client = Client::new();
    let mut mount = Setup::new(Kind::Seaweed).config(FRESH).start();
    client.put("rfp_exports/rename/a.pdf", b"a");
    client.put("rfp_exports/rename/b.pdf", b"b");
    let mut user = mount.actor();
    // by rename where the server can be trusted with it, else as tools do
    for (from, to) in [("a", "b"), ("b", "c")] {
        let path = |name| mount.path(&format!("rfp_exports/rename/{name}.pdf"));
        sh("mv -T \"$1\" \"$2\"", &[&path(from), &path(to)]);
    }
    eventually("the old keys are gone", || client.objects("rfp_exports/rename/").len() == 2);
    let found = client.objects("rfp_exports/rename/");
    assert_eq!(found["rfp_exports/rename/c.pdf"], b"b");
    assert!(
        found.iter().any(|(k, d)| is_alternative(k, "rfp_exports/rename/b.pdf") && d == b"a"),
        "{:?}",
        found.keys()
    );
    assert_eq!(user.run("len(os.listdir(p('rfp_exports/rename')))"), 2);
    drop(user);
    mount.stop();
}

/// SeaweedFS lists in an order of its own: nothing is left out, nothing shown twice, and what goes is seen to be gone.
#[test]
fn s8_2_seaweedfs_listing_in_any_order_is_complete() {
    let client = Client::new();
    let names = ["a", "a b", "a-", "a.", "a/x", "a0", "a_", "aé", "Z", "z", "ä", "a-/y", "a b/z"];
    for name in names {
        client.put(&format!("scraped/order/{name}.md"), name.as_bytes());
    }
    let mut mount = Setup::new(Kind::Seaweed).config(FRESH).start();
    let mut user = mount.actor();
    let all = "sorted(os.path.relpath(os.path.join(d, f), p('scraped/order')) for d, _, fs in os.walk(p('scraped/order')) for f in fs)";
    let mut wanted: Vec<String> = names.iter().map(|n| format!("{n}.md")).collect();
    wanted.sort();
    for _ in 0..2 {
        assert_eq!(user.run(all), serde_json::json!(wanted));
    }
    client.remove("scraped/order/a-.md");
    client.remove("scraped/order/a/x.md");
    wanted.retain(|n| n != "a-.md" && n != "a/x.md");
    assert_eq!(user.run(all), serde_json::json!(wanted));
    drop(user);
    mount.stop();
}
