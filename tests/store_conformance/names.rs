//! Keys of all kinds.

use std::sync::Arc;

use cairnfs::store::{ObjectMeta, StoreError};

use super::Subject;
use super::support::data::{body, full_meta, key, list_names, read};

/// What people and programs put into names. No control characters and no backslash: not all servers take those.
const ODD: [&str; 22] = [
    "a+b.txt",
    "100%.txt",
    "%41%2F.txt",
    "a#b.txt",
    "what?.txt",
    "a&b=c.txt",
    "two  spaces.txt",
    " leading",
    "trailing ",
    "semi;colon,comma.txt",
    "quote'double\".txt",
    "<angle>.txt",
    "[brackets]{braces}.txt",
    "dollar$star*bang!.txt",
    "pipe|tilde~caret^backtick`.txt",
    "at@colon:equals=.txt",
    "\u{c4}rger \u{2013} \u{1f4c4}\u{200d}\u{2764}\u{fe0f}.pdf",
    "\u{65e5}\u{672c}\u{8a9e}/\u{6587}\u{66f8}.docx",
    "...three dots",
    ".hidden",
    "a/b/c/d/e/f/g.txt",
    "x_AbCdEfG.tar.gz",
];

pub async fn odd_names_round_trip(s: Arc<Subject>) {
    let mut wanted = Vec::new();
    for name in ODD {
        let key = s.key(name);
        let meta = full_meta(&key, name.as_bytes());
        let made = s.store.create(&key, &body(name), &meta).await.unwrap_or_else(|e| panic!("{name:?}: {e}"));
        assert_eq!(read(&*s.store, &key).await.unwrap(), name.as_bytes(), "{name:?}");
        let found = s.store.head(&key).await.unwrap();
        assert_eq!((found.etag, found.meta), (made.etag, Some(meta)), "{name:?}");
        wanted.push(key.to_string());
    }
    wanted.sort();
    assert_eq!(list_names(&*s.store, &s.prefix, false).await.0, wanted);
    for name in ODD {
        let (from, to) = (s.key(name), s.key(&format!("copies/{name}")));
        let version = s.store.head(&from).await.unwrap().etag;
        s.store
            .copy(&from, &version, &to, &ObjectMeta::default())
            .await
            .unwrap_or_else(|e| panic!("{name:?}: {e}"));
        assert_eq!(read(&*s.store, &to).await.unwrap(), name.as_bytes(), "{name:?}");
        s.store.delete(&from, &version).await.unwrap();
        assert!(matches!(s.store.head(&from).await, Err(StoreError::NotFound(_))), "{name:?}");
    }
    // a prefix with odd characters in it, of keys and of directories
    let (keys, _) = list_names(&*s.store, &format!("{}copies/100%", s.prefix), true).await;
    assert_eq!(keys, [format!("{}copies/100%.txt", s.prefix)]);
    let (_, prefixes) = list_names(&*s.store, &format!("{}copies/\u{65e5}", s.prefix), true).await;
    assert_eq!(prefixes, [format!("{}copies/\u{65e5}\u{672c}\u{8a9e}/", s.prefix)]);
}

pub async fn longest_names_round_trip(s: Arc<Subject>) {
    let segment = "n".repeat(s.max_segment.min(255));
    let mut long = s.prefix.clone();
    while long.len() + segment.len() < 1024 {
        long.push_str(&segment);
        long.push('/');
    }
    let rest = 1024 - long.len();
    long.push_str(&"r".repeat(rest.clamp(1, segment.len())));
    long.truncate(1024);
    let long = key(&long);
    s.store.create(&long, &body("x"), &full_meta(&long, b"x")).await.unwrap();
    assert_eq!(read(&*s.store, &long).await.unwrap(), b"x");
    assert_eq!(s.store.head(&long).await.unwrap().meta.unwrap().written_for, Some(long.clone()));
    assert_eq!(list_names(&*s.store, &s.prefix, false).await.0, [long.to_string()]);
}

pub async fn keys_that_are_no_paths_never_escape(s: Arc<Subject>) {
    for text in [
        "../escaped.txt",
        "documents/../../escaped.txt",
        "/escaped.txt",
        "documents/./a.txt",
        "documents//a.txt",
    ] {
        let key = key(text);
        let made = s.store.create(&key, &body("x"), &ObjectMeta::default()).await;
        if s.is_directory {
            assert!(matches!(&made, Err(StoreError::Refused { .. })), "{text}: {made:?}");
            assert!(matches!(s.store.head(&key).await, Err(StoreError::NotFound(_))), "{text}");
        } else if let Ok(made) = made {
            // a bucket may hold such keys; it must give back what it took
            assert_eq!(read(&*s.store, &made.key).await.unwrap(), b"x");
            s.store.delete(&made.key, &made.etag).await.unwrap();
        }
    }
}

pub async fn key_and_key_below_it_are_both_kept_or_refused(s: Arc<Subject>) {
    let (above, below) = (s.key("a"), s.key("a/b"));
    s.store.create(&above, &body("above"), &ObjectMeta::default()).await.unwrap();
    match s.store.create(&below, &body("below"), &ObjectMeta::default()).await {
        Ok(_) => assert_eq!(read(&*s.store, &below).await.unwrap(), b"below"),
        Err(StoreError::Refused { message, .. }) => {
            assert!(s.is_directory, "{message}");
            assert!(message.contains('a') && !message.contains('\n'), "{message}");
        }
        Err(e) => panic!("{e}"),
    }
    assert_eq!(read(&*s.store, &above).await.unwrap(), b"above");
    let (above, below) = (s.key("c"), s.key("c/d"));
    s.store.create(&below, &body("below"), &ObjectMeta::default()).await.unwrap();
    match s.store.create(&above, &body("above"), &ObjectMeta::default()).await {
        Ok(_) => assert_eq!(read(&*s.store, &above).await.unwrap(), b"above"),
        Err(StoreError::Refused { message, .. }) => assert!(s.is_directory, "{message}"),
        // a server that keeps directories takes the directory for an object
        Err(StoreError::AlreadyExists(_)) => assert!(s.lists_hollow_prefixes),
        Err(e) => panic!("{e}"),
    }
    assert_eq!(read(&*s.store, &below).await.unwrap(), b"below");
}

pub async fn normalisation_forms_stay_two_objects(s: Arc<Subject>) {
    let (composed, decomposed) = (s.key("\u{e9}t\u{e9}.txt"), s.key("e\u{301}te\u{301}.txt"));
    s.store.create(&composed, &body("NFC"), &ObjectMeta::default()).await.unwrap();
    s.store.create(&decomposed, &body("NFD"), &ObjectMeta::default()).await.unwrap();
    assert_eq!(read(&*s.store, &composed).await.unwrap(), b"NFC");
    assert_eq!(read(&*s.store, &decomposed).await.unwrap(), b"NFD");
    assert_eq!(list_names(&*s.store, &s.prefix, false).await.0.len(), 2);
}
