//! `cairnfs config`.

use crate::harness::Desk;

#[test]
fn config_without_a_store_prints_the_built_in_domains_and_defaults() {
    let desk = Desk::without_store();
    let ran = desk.run(&["config"]);
    let text = ran.ok();
    for line in [
        "# store: none is named",
        "template = \"documents/{filename}\"",
        "template = \"scraped/{source_id}/{filename:path}\"",
        "template = \"chunks/{document_id}/chunk_{index}.txt\"",
        "template = \"rfp_info_documents/{rfp_id}/{filename}\"",
        "template = \"rfp_question_documents/{rfp_id}/{filename}\"",
        "template = \"rfp_exports/{rfp_id}/{filename}\"",
        "template = \"orgs/logos/{filename}\"",
        "close_wait = \"1min\"",
        "disk = \"10GiB\"",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} in\n{text}");
    }
}

#[test]
fn config_shows_no_secret_of_any_source() {
    let mut desk = Desk::without_store();
    desk.set("S3_BUCKET_NAME", "b");
    desk.set("S3_ACCESS_KEY", "AKIAHUNTER");
    desk.set("S3_SECRET_KEY", "hunter2");
    let file = desk.lay("c.toml", "[store]\nsecret_key = \"hunter3\"\n");
    for arguments in [&["config"] as &[&str], &["config", "--config", &file], &["-vv", "config"]] {
        let ran = desk.run(arguments);
        assert_eq!(ran.code, 0);
        let everything = format!("{}{}", ran.text(), ran.stderr).to_lowercase();
        assert!(
            everything.contains("secret_key = \"***\"") && !everything.contains("hunter"),
            "{everything}"
        );
    }
}

#[test]
fn every_mistake_of_a_file_is_a_line_of_its_own_with_exit_code_2() {
    let desk = Desk::without_store();
    let file =
        desk.lay("c.toml", "[write]\nclose_wait = \"soon\"\n\n[[domain]]\nname = \"a\"\ntemplate = \"{\"\n");
    let ran = desk.run(&["config", "--config", &file]);
    assert_eq!((ran.code, ran.text()), (2, ""));
    let lines: Vec<&str> = ran.stderr.lines().collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].starts_with(&format!("cairnfs: {file}:2: write.close_wait")), "{lines:?}");
    assert!(lines[1].starts_with(&format!("cairnfs: {file}:6: ")), "{lines:?}");
}
