#!/usr/bin/env bash
# sqlite3 and git: a bucket of whole files is no place for them; they must say so at once and leave nothing.
. "$(dirname "$0")/../lib.sh"
needs sqlite3 git
client "SQLite" "sqlite3 --version" "reads; a database is no file to put into a bucket"

create() {
    says "unable to open database file" sqlite3 "$HERE/a.db" 'create table t (x)'
    expect
}
one "sqlite3 cannot make a database" create refused

change() {
    # under a name that is allowed the journal beside it is what fails
    sqlite3 a.txt 'create table t (x); insert into t values (42)'
    seed a.txt a.txt
    fails sqlite3 "$HERE/a.txt" 'insert into t values (43)' 2>said
    grep -Eq "readonly database|unable to open database file" said
    expect a.txt=a.txt
}
one "sqlite3 cannot change a database" change existing

query() {
    sqlite3 a.txt 'create table t (x); insert into t values (42)'
    seed a.txt a.txt
    [ "$(sqlite3 -readonly "$HERE/a.txt" 'select x from t')" = 42 ]
    [ "$(sqlite3 "$HERE/a.txt" 'select x from t')" = 42 ]
    expect a.txt=a.txt
}
one "sqlite3 reads a database" query

init() {
    says "Permission denied" git init "$HERE/project"
    [ -z "$(find "$HERE" -type f)" ]
    expect
}
client "Git" "git --version" "git archive and checkout of files work; a repository is refused"
one "git init is refused" init refused

clone() {
    git init -q here
    lines here/a.txt words
    git -C here add a.txt
    git -C here -c user.name=me -c user.email=me@example.org commit -qm one
    fails git clone -q here "$HERE/clone" 2>said
    grep -q "Permission denied" said
    expect
}
one "git clone is refused" clone refused

checkout() {
    # a plain export has only files that people mean
    git init -q here
    lines here/a.txt words
    git -C here add a.txt
    git -C here -c user.name=me -c user.email=me@example.org commit -qm one
    mkdir "$HERE/one" "$HERE/two"
    git -C here archive HEAD | tar -C "$HERE/one" -x
    git -C here --work-tree="$HERE/two" checkout -qf HEAD -- a.txt
    expect one/a.txt=here/a.txt two/a.txt=here/a.txt
}
one "git archive and checkout into the mount" checkout new
finish
