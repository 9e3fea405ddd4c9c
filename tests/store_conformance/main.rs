//! One suite for every kind of store: whatever `src/store/mod.rs` promises is asked of each of them.
//!
//! A clause gets a store and a prefix of its own and panics where the contract is broken. New kinds of store are
//! added at the end of this file and nowhere else.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test that panics fails, which is what it is for"
)]

#[path = "../support/mod.rs"]
mod support;

mod copy;
mod create;
mod delete;
mod list;
mod names;
mod read;

use std::future::Future;
use std::sync::Arc;

use std::sync::atomic::Ordering;

use cairnfs::store::{
    DirStore, MetadataPlace, Multipart, ObjectMeta, ObjectStore, S3Settings, S3Store, UploadBody,
};
use cairnfs::types::ObjectKey;

use support::s3server::S3Server;
use support::seaweed::seaweed;
use support::stores::own_settings;

/// A store that is held to the contract.
pub struct Subject {
    /// The store.
    pub store: Arc<dyn ObjectStore>,
    /// Where this clause may write; ends in `/`.
    pub prefix: String,
    /// Bodies above this size go up another way.
    pub part_size: u64,
    /// The most bytes that the store takes between two slashes.
    pub max_segment: usize,
    /// Whether the store is a directory, in which a key and keys below it cannot both exist.
    pub is_directory: bool,
    /// Whether directories without objects stay in listings for a while.
    pub lists_hollow_prefixes: bool,
    /// Keeps what the store lives in.
    _home: Box<dyn std::any::Any + Send + Sync>,
}

impl Subject {
    /// Returns `name` as a key of this clause.
    pub fn key(&self, name: &str) -> ObjectKey {
        support::data::key(&format!("{}{name}", self.prefix))
    }

    fn directory(metadata: MetadataPlace) -> Self {
        // beside the program and not in /tmp, which may be a tmpfs: the real disk's rules count
        let home = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let store = DirStore::new(home.path(), ".cairnfs/", metadata).unwrap();
        Self {
            store: Arc::new(store),
            prefix: "documents/".to_owned(),
            part_size: 5 << 20,
            max_segment: 255,
            is_directory: true,
            lists_hollow_prefixes: false,
            _home: Box::new(home),
        }
    }

    async fn on_seaweed(clause: &str) -> Self {
        let store = S3Store::connect(seaweed().settings()).await.unwrap();
        let prefix = format!("{clause}/");
        read_once(&store, &prefix).await;
        Self {
            store: Arc::new(store),
            prefix,
            part_size: 5 << 20,
            max_segment: 255,
            is_directory: false,
            lists_hollow_prefixes: true,
            _home: Box::new(()),
        }
    }

    async fn on_own_server(multipart: Multipart, by_segment: bool) -> Self {
        let server = S3Server::start();
        server.faults().list_by_segment.store(by_segment, Ordering::Relaxed);
        let settings = S3Settings { multipart, ..own_settings(&server) };
        Self {
            store: Arc::new(S3Store::connect(settings).await.unwrap()),
            prefix: "documents/".to_owned(),
            part_size: 5 << 20,
            max_segment: 255,
            is_directory: false,
            lists_hollow_prefixes: false,
            _home: Box::new(server),
        }
    }
}

/// Lets `store` learn to send its GETs past the SDK. Stores of the other suites begin without.
async fn read_once(store: &S3Store, prefix: &str) {
    let key = support::data::key(&format!("{prefix}read-once"));
    let made = store.create(&key, &UploadBody::Bytes("x".into()), &ObjectMeta::default()).await.unwrap();
    store.get(&key, None, None).await.unwrap();
    store.delete(&key, &made.etag).await.unwrap();
}

/// Runs one clause against one store.
fn hold<F: Future<Output = ()>>(
    subject: impl Future<Output = Subject>,
    clause: impl FnOnce(Arc<Subject>) -> F,
) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        clause(Arc::new(subject.await)).await;
    });
}

macro_rules! suite {
    ($($module:ident: $($clause:ident),+;)+) => {
        mod dir_with_attributes {
            use super::{MetadataPlace, Subject, hold};
            $($(#[test] fn $clause() {
                hold(async { Subject::directory(MetadataPlace::Attributes) }, super::$module::$clause);
            })+)+
        }
        mod dir_with_records_beside {
            use super::{MetadataPlace, Subject, hold};
            $($(#[test] fn $clause() {
                hold(async { Subject::directory(MetadataPlace::Beside) }, super::$module::$clause);
            })+)+
        }
        /// All clauses in one test: a server of this size is not started for each of them.
        #[test]
        fn seaweed_holds_every_clause() {
            $($(
                eprintln!("{}", stringify!($clause));
                hold(Subject::on_seaweed(stringify!($clause)), $module::$clause);
            )+)+
        }
        mod s3_in_one_request {
            use super::{Multipart, Subject, hold};
            $($(#[test] fn $clause() {
                hold(Subject::on_own_server(Multipart::Auto, false), super::$module::$clause);
            })+)+
        }
        mod s3_in_parts_and_listed_by_segment {
            use super::{Multipart, Subject, hold};
            $($(#[test] fn $clause() {
                hold(Subject::on_own_server(Multipart::Always, true), super::$module::$clause);
            })+)+
        }
    };
}

suite! {
    create:
        new_key_is_created_with_its_bytes, taken_key_is_refused_and_keeps_its_bytes,
        thirty_two_at_once_have_one_winner, many_names_at_once_all_succeed, empty_body_makes_an_empty_object,
        large_file_arrives_whole, large_file_on_a_taken_key_is_refused, file_of_another_size_is_refused,
        metadata_comes_back_as_written, metadata_of_long_names_comes_back, deleted_key_is_free_again,
        directories_that_come_and_go_lose_no_create;
    read:
        head_of_a_missing_key_is_not_found, get_of_a_missing_key_is_not_found, ranges_give_exactly_their_bytes,
        range_past_the_end_is_empty, version_pin_holds, object_deleted_while_read_is_whole_or_an_error,
        large_object_streams_whole;
    copy:
        copy_takes_bytes_and_the_new_metadata, copy_onto_a_taken_key_is_refused,
        copy_of_another_version_is_refused, copy_of_a_missing_key_is_not_found, copies_at_once_have_one_winner;
    delete:
        delete_removes_the_named_version, delete_of_another_version_is_refused, delete_of_a_missing_key_succeeds,
        delete_and_create_at_once_lose_nothing;
    list:
        keys_and_prefixes_are_separated, prefix_need_not_end_at_a_slash, many_keys_come_in_pages_each_once,
        pages_with_delimiter_name_each_prefix_once, listing_tells_what_head_tells, empty_prefix_is_an_empty_page,
        deleted_objects_leave_no_prefix, order_of_bytes_is_not_lost_between_pages;
    names:
        odd_names_round_trip, longest_names_round_trip, keys_that_are_no_paths_never_escape,
        key_and_key_below_it_are_both_kept_or_refused, normalisation_forms_stay_two_objects;
}
