//! Listing: every key once, whatever the paging, and no order to rely on.

use std::collections::BTreeSet;
use std::sync::Arc;

use cairnfs::store::ObjectMeta;
use futures_util::{StreamExt, stream};

use super::Subject;
use super::support::data::{body, list_all, list_names};

async fn make(s: &Arc<Subject>, names: impl IntoIterator<Item = String>) {
    stream::iter(names)
        .for_each_concurrent(16, |name| async move {
            s.store.create(&s.key(&name), &body("x"), &ObjectMeta::default()).await.unwrap();
        })
        .await;
}

fn with_prefix(s: &Subject, names: &[&str]) -> Vec<String> {
    names.iter().map(|n| format!("{}{n}", s.prefix)).collect()
}

pub async fn keys_and_prefixes_are_separated(s: Arc<Subject>) {
    make(&s, ["a.txt", "b/c.txt", "b/d/e.txt", "f/g.txt"].map(str::to_owned)).await;
    let (keys, prefixes) = list_names(&*s.store, &s.prefix, true).await;
    assert_eq!((keys, prefixes), (with_prefix(&s, &["a.txt"]), with_prefix(&s, &["b/", "f/"])));
    let (keys, prefixes) = list_names(&*s.store, &format!("{}b/", s.prefix), true).await;
    assert_eq!((keys, prefixes), (with_prefix(&s, &["b/c.txt"]), with_prefix(&s, &["b/d/"])));
    let (keys, prefixes) = list_names(&*s.store, &s.prefix, false).await;
    assert_eq!(keys, with_prefix(&s, &["a.txt", "b/c.txt", "b/d/e.txt", "f/g.txt"]));
    assert_eq!(prefixes, Vec::<String>::new());
}

pub async fn prefix_need_not_end_at_a_slash(s: Arc<Subject>) {
    make(&s, ["report.pdf", "report_AbCdEfG.pdf", "reports/x", "repo", "other"].map(str::to_owned)).await;
    let prefix = format!("{}report", s.prefix);
    let (keys, prefixes) = list_names(&*s.store, &prefix, true).await;
    assert_eq!(keys, with_prefix(&s, &["report.pdf", "report_AbCdEfG.pdf"]));
    assert_eq!(prefixes, with_prefix(&s, &["reports/"]));
    let (keys, _) = list_names(&*s.store, &prefix, false).await;
    assert_eq!(keys, with_prefix(&s, &["report.pdf", "report_AbCdEfG.pdf", "reports/x"]));
}

pub async fn many_keys_come_in_pages_each_once(s: Arc<Subject>) {
    make(&s, (0..2500).map(|i| format!("{}/{i:04}.txt", i % 3))).await;
    for limit in [None, Some(700), Some(1000)] {
        let (page, pages) = list_all(&*s.store, &s.prefix, false, limit).await.unwrap();
        let keys: BTreeSet<&str> = page.objects.iter().map(|o| o.key.as_str()).collect();
        assert_eq!((keys.len(), page.objects.len()), (2500, 2500), "{limit:?}");
        assert!(pages >= 3 || limit.is_none(), "{limit:?}: {pages} pages");
    }
    let page = s.store.list(&s.prefix, false, None, Some(10)).await.unwrap();
    assert!(page.objects.len() <= 10);
    assert!(page.next.is_some());
}

pub async fn pages_with_delimiter_name_each_prefix_once(s: Arc<Subject>) {
    make(&s, (0..120).map(|i| format!("d{:02}/{i}.txt", i % 40))).await;
    make(&s, (0..20).map(|i| format!("d{i:02}.txt"))).await;
    for limit in [1, 7, 59, 60, 61] {
        let (page, _) = list_all(&*s.store, &s.prefix, true, Some(limit)).await.unwrap();
        let prefixes: BTreeSet<&String> = page.prefixes.iter().collect();
        assert_eq!((prefixes.len(), page.prefixes.len()), (40, 40), "limit {limit}");
        assert_eq!(page.objects.len(), 20, "limit {limit}");
        assert!(page.prefixes.iter().all(|p| p.ends_with('/')));
    }
}

pub async fn listing_tells_what_head_tells(s: Arc<Subject>) {
    let made = s.store.create(&s.key("a"), &body("12345"), &ObjectMeta::default()).await.unwrap();
    let page = s.store.list(&s.prefix, true, None, None).await.unwrap();
    let listed = &page.objects[0];
    let head = s.store.head(&made.key).await.unwrap();
    assert_eq!((&listed.key, listed.size, &listed.etag), (&made.key, 5, &made.etag));
    assert_eq!((&head.key, head.size, &head.etag), (&made.key, 5, &made.etag));
    // the time that decides whether a delete hits the version that was meant
    assert_eq!(listed.modified_at, head.modified_at);
}

pub async fn empty_prefix_is_an_empty_page(s: Arc<Subject>) {
    for prefix in ["nothing/here/", "nothing", "../", "a//b/"] {
        for delimiter in [true, false] {
            let (page, pages) =
                list_all(&*s.store, &format!("{}{prefix}", s.prefix), delimiter, None).await.unwrap();
            assert_eq!((page.objects.len(), page.prefixes.len(), pages), (0, 0, 1), "{prefix}");
        }
    }
}

pub async fn deleted_objects_leave_no_prefix(s: Arc<Subject>) {
    if s.lists_hollow_prefixes {
        return;
    }
    let made = s.store.create(&s.key("b/c/d.txt"), &body("x"), &ObjectMeta::default()).await.unwrap();
    s.store.delete(&made.key, &made.etag).await.unwrap();
    let (keys, prefixes) = list_names(&*s.store, &s.prefix, true).await;
    assert_eq!((keys.len(), prefixes.len()), (0, 0));
}

/// `a-` < `a/b` < `a0` in bytes, but not where a server or a file system sorts directories as names.
pub async fn order_of_bytes_is_not_lost_between_pages(s: Arc<Subject>) {
    let names = ["a-", "a-b/x", "a.txt", "a/b", "a/b-", "a0", "a/z/1", "a/z-", "b"];
    make(&s, names.map(str::to_owned)).await;
    for limit in 1..=9 {
        let (page, _) = list_all(&*s.store, &s.prefix, false, Some(limit)).await.unwrap();
        let keys: BTreeSet<&str> = page.objects.iter().map(|o| o.key.as_str()).collect();
        assert_eq!((keys.len(), page.objects.len()), (names.len(), names.len()), "limit {limit}: {keys:?}");
        let (page, _) = list_all(&*s.store, &s.prefix, true, Some(limit)).await.unwrap();
        assert_eq!((page.objects.len(), page.prefixes.len()), (4, 2), "limit {limit}: {page:?}");
    }
}
