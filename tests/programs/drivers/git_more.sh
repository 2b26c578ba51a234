#!/bin/bash
# git's heavier work: worktrees, rebase, bisect, submodules, bundles, sparse checkout, repack, hooks, clones by file://.
set -euo pipefail
export GIT_CONFIG_NOSYSTEM=1 GIT_PAGER=cat GIT_EDITOR=true GIT_TERMINAL_PROMPT=0
export GIT_AUTHOR_DATE='2024-01-01T00:00:00Z' GIT_COMMITTER_DATE='2024-01-01T00:00:00Z'
git config --global user.name Tester
git config --global user.email tester@example.invalid
git config --global init.defaultBranch main
git config --global gc.auto 0
git config --global protocol.file.allow always
git config --global advice.detachedHead false
git config --global pack.threads 1
git init -q library && (cd library && echo one >library.txt && git add . && git commit -qm 'library')
git init -q project && cd project
for i in $(seq 1 12); do
  mkdir -p "dir-$((i % 3))" && echo "line $i" >>"dir-$((i % 3))/file" && echo "$i" >number
  git add . && git commit -qm "commit $i"
done
printf '#!/bin/sh\necho "pre-commit in $(basename "$PWD")"\ntest ! -e refuse\n' >.git/hooks/pre-commit
printf '#!/bin/sh\necho "Signed: hook" >>"$1"\n' >.git/hooks/commit-msg
chmod +x .git/hooks/*
touch refuse && git commit -q --allow-empty -m refused || echo "the hook refused"
rm refuse && git commit -q --allow-empty -m accepted && git log -1 --format=%B
rm .git/hooks/pre-commit .git/hooks/commit-msg
git switch -qc feature HEAD~6 && for i in 1 2 3; do echo "feature $i" >"feature-$i" && git add . && git commit -qm "feature $i"; done
git rebase -q main && git log --format=%s -4
GIT_SEQUENCE_EDITOR="sed -i -e '2s/pick/squash/'" git rebase -qi HEAD~3 && git log --format=%s -3
git switch -qc conflict main~1 && echo conflict >number && git commit -qam conflict
git rebase main >/dev/null 2>&1 || { echo "conflict in $(git diff --name-only --diff-filter=U)"; git rebase --abort; }
git switch -q main && git cherry-pick feature >/dev/null && git revert --no-edit HEAD >/dev/null && git log --format=%s -2
git worktree add -q ../tree -b side && (cd ../tree && echo side >side && git add side && git commit -qm side)
git worktree list | wc -l && git worktree move ../tree ../moved && git worktree lock ../moved && git worktree unlock ../moved
git worktree remove ../moved && git merge -q --no-edit side
git bisect start HEAD HEAD~8 >/dev/null
git bisect run sh -c 'test "$(cat number)" -lt 9' | grep 'is the first bad commit' | cut -c1-12
git bisect reset >/dev/null 2>&1
git submodule --quiet add ../library vendored && git commit -qm 'submodule'
echo stash >>number && git stash -q && git stash list | wc -l && git stash pop -q && git checkout -q -- number
git notes add -m note && git tag -a v1 -m v1 && git bundle create -q ../all.bundle --all
git repack -adq --depth=5 --window=5 && git gc -q --aggressive --prune=now && git pack-refs --all
git count-objects -v | grep -E '^(count|packs|garbage)'
git commit-graph write --reachable --no-progress && git multi-pack-index write --no-progress
git fsck --full --strict --no-dangling --no-progress
cd ..
git clone -q "file://$PWD/project" by-file && git clone -q --recurse-submodules --shared project shared
git clone -q all.bundle from-bundle && git clone -q --depth 2 "file://$PWD/project" shallow
git clone -q --mirror project mirror.git && git -C mirror.git rev-parse main
(cd by-file && git sparse-checkout set --cone dir-1 && ls -d dir-* && git sparse-checkout disable && ls -d dir-*)
(cd shared && git submodule status | cut -d' ' -f3-)
git -C shallow rev-list --count HEAD
(cd by-file && echo dirty >dirty && git clean -fdq && git apply --stat <(git diff HEAD~3 HEAD) | tail -1)
git -C project archive --format=tar HEAD | tar -t | wc -l
git -C project status --short
git -C by-file fsck --no-progress
