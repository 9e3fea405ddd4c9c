//! The effective settings as a configuration file, secrets as `***`: what `cairnfs config` prints.
//!
//! What is printed can be used as a file and gives the same settings again, but for what a file cannot say (the
//! directory of a `file://` store, directories on this host) and the secrets; those stand in comments.

use crate::layout::DomainSpec;

use super::quantity::{show_duration, show_mode, show_size};
use super::settings::{SameBytes, Settings, StoreTarget, WeakStore, WhenUnreachable};
use super::target::{self, MULTIPART};

impl Settings {
    /// Returns the settings as TOML, without secrets.
    pub fn describe(&self) -> String {
        let mut page = Page::default();
        page.comment(&match &self.store {
            Some(store) => format!("store: {}", target::url(store)),
            None => "store: none is named".to_owned(),
        });
        page.comment(&format!("state directory: {}", self.dirs.state.display()));
        page.comment(&format!("cache directory: {}", self.dirs.cache.display()));
        for warning in &self.warnings {
            page.comment(&format!("warning: {warning}"));
        }
        page.line("");
        // every domain is listed below, the built-in ones, too
        page.set("builtin_domains", "false");
        page.set("django", quoted(&self.layout.django.to_string()));
        page.set("service_prefix", quoted(&self.layout.service_prefix));
        page.set("scratch", list(&self.layout.scratch));
        self.store_section(&mut page);
        self.write_section(&mut page);
        page.table("read");
        page.set("list_ttl", quoted(&show_duration(self.read.list_ttl)));
        page.set("miss_ttl", quoted(&show_duration(self.read.miss_ttl)));
        page.set("deadline", quoted(&show_duration(self.read.deadline)));
        page.table("cache");
        page.set("memory", quoted(&show_size(self.cache.memory)));
        page.set("disk", quoted(&show_size(self.cache.disk)));
        page.table("mount");
        page.set("uid", self.mount.uid);
        page.set("gid", self.mount.gid);
        page.set("file_mode", quoted(&show_mode(self.mount.file_mode)));
        page.set("dir_mode", quoted(&show_mode(self.mount.dir_mode)));
        page.set("allow_other", self.mount.allow_other.map_or_else(|| quoted("auto"), |on| on.to_string()));
        page.set("read_only", self.mount.read_only);
        for domain in &self.domains {
            domain_section(&mut page, domain);
        }
        page.0
    }

    fn store_section(&self, page: &mut Page) {
        let Some(StoreTarget::S3(s3)) = &self.store else { return };
        page.table("store");
        page.set("bucket_name", quoted(&s3.bucket));
        if let Some(endpoint) = &s3.endpoint_url {
            page.set("endpoint_url", quoted(endpoint));
        }
        if let Some(region) = &s3.region {
            page.set("region_name", quoted(region));
        }
        match &s3.keys {
            Some(_) => {
                page.set("access_key", quoted("***"));
                page.set("secret_key", quoted("***"));
            }
            None => page.comment("access_key, secret_key: not given; the AWS credential chain is asked"),
        }
        page.set("verify_ssl", s3.verify_ssl);
        page.set("part_size", quoted(&show_size(s3.part_size)));
        let multipart =
            MULTIPART.iter().find(|(_, mode)| *mode == s3.multipart).map_or("auto", |(word, _)| *word);
        page.set("multipart", quoted(multipart));
    }

    fn write_section(&self, page: &mut Page) {
        let w = &self.write;
        page.table("write");
        page.set("close_wait", quoted(&show_duration(w.close_wait)));
        page.set("rename_wait", quoted(&show_duration(w.rename_wait)));
        page.set("publish_after", quoted(&show_duration(w.publish_after)));
        page.set("empty_after", quoted(&show_duration(w.empty_after)));
        page.set("delete_after", quoted(&show_duration(w.delete_after)));
        page.set("free_floor", quoted(&show_size(w.free_floor)));
        page.set("staging_budget", quoted(&w.staging_budget.map_or_else(|| "none".to_owned(), show_size)));
        page.set("guard", quoted(&show_duration(w.guard)));
        page.set(
            "same_bytes",
            quoted(match w.same_bytes {
                SameBytes::Skip => "skip",
                SameBytes::Keep => "keep",
            }),
        );
        page.set(
            "weak_store",
            quoted(match w.weak_store {
                WeakStore::Check => "check",
                WeakStore::Suffix => "suffix",
                WeakStore::Refuse => "refuse",
            }),
        );
        page.set(
            "when_unreachable",
            quoted(match w.when_unreachable {
                WhenUnreachable::Queue => "queue",
                WhenUnreachable::Fail => "fail",
            }),
        );
        page.set("drain", quoted(&show_duration(w.drain)));
        page.set("scratch_ttl", quoted(&show_duration(w.scratch_ttl)));
        page.set("trash_keep", quoted(&w.trash_keep.map_or_else(|| "none".to_owned(), show_duration)));
    }
}

fn domain_section(page: &mut Page, domain: &DomainSpec) {
    page.line("");
    page.line("[[domain]]");
    page.set("name", quoted(&domain.name));
    page.set("template", quoted(&domain.template));
    match &domain.extensions {
        Some(extensions) => page.set("extensions", list(extensions)),
        None => page.comment("extensions: every name"),
    }
    page.set("delete", quoted(&domain.delete.to_string()));
    page.set("writable", domain.writable);
    page.set("max_key_length", domain.max_key_length);
    match domain.max_size {
        Some(size) => page.set("max_size", quoted(&show_size(size))),
        None => page.set("max_size", quoted("none")),
    }
}

/// A text that grows by lines.
#[derive(Default)]
struct Page(String);

impl Page {
    fn line(&mut self, text: &str) {
        self.0.push_str(text);
        self.0.push('\n');
    }

    fn comment(&mut self, text: &str) {
        self.line(&format!("# {}", text.replace(['\n', '\r'], " ")));
    }

    fn table(&mut self, name: &str) {
        self.line("");
        self.line(&format!("[{name}]"));
    }

    fn set(&mut self, key: &str, value: impl std::fmt::Display) {
        self.line(&format!("{key} = {value}"));
    }
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

fn list(items: &[String]) -> String {
    let items: Vec<String> = items.iter().map(|item| quoted(item)).collect();
    format!("[{}]", items.join(", "))
}
