// Differences as text: what git applies makes of the lower directory what the session saw.
#include <gtest/gtest.h>

#include "tests/overlay/overlay_case.h"

namespace overlay {
namespace {

class OverlayDiffTest : public OverlayCase {
 protected:
  std::string Diff(const std::string& form) {
    const harness::Outcome done = Driver({"diff", form});
    EXPECT_EQ(done.exit_code, 0) << done.err;
    return done.out;
  }
  // Names, contents, targets and execute bits: what git knows.
  std::string Known(const std::string& directory) {
    return harness::Run(
               {.argv =
                    {"/bin/bash", "-c",
                     "find . -path ./.git -prune -o \\( -type f -o -type l \\) -print0 | sort -z | "
                     "while read -rd '' f; do printf '%q ' \"$f\"; [ -x \"$f\" ] && printf x;"
                     "if [ -L \"$f\" ]; then readlink \"$f\"; else sha256sum < \"$f\"; fi; done"},
                .directory = directory})
        .out;
  }
  void ExpectGitApplies() {
    const std::string patch = Diff("patch");
    harness::WriteFile(scratch_ / "patch", patch);
    const std::string copy = scratch_ / "copy";
    harness::Run({.argv = {"/bin/cp", "-a", lower_, copy}});
    // Outside of any repository, in whose place it would work.
    const harness::Outcome applied =
        harness::Run({.argv = {"/usr/bin/env", "GIT_CEILING_DIRECTORIES=" + scratch_.path(), "git",
                               "apply", "--unidiff-zero", scratch_ / "patch"},
                      .directory = copy});
    EXPECT_EQ(applied.exit_code, 0) << applied.err << patch;
    const harness::Outcome committed = Driver({"commit"});
    ASSERT_EQ(committed.exit_code, 0) << committed.err;
    EXPECT_EQ(Known(copy), Known(lower_)) << patch;
  }
};
INSTANTIATE_TEST_SUITE_P(, OverlayDiffTest, testing::Values(Who::kRoot, Who::kOrdinaryUser),
                         WhoName);

TEST_P(OverlayDiffTest, PatchMakesTheLowerDirectoryWhatTheSessionSaw) {
  InLower(
      "seq 100 > a; seq 5 > b; printf 'no end' > c; echo x > d; chmod 755 d; ln -s a link;"
      "mkdir dir; seq 30 > dir/f; : > empty; echo t > type; seq 50 > moved");
  LetTimePass();
  InSession(
      "sed -i -e '3d;50s/$/ changed/;97a new' a; rm b; printf 'no end\\nmore' > c; chmod 644 d;"
      "ln -sfn b link; rm -r dir; echo n > n; : > empty2; rm type; ln -s n type; mv moved moved2;"
      "mkdir -p deep/er; printf 'x' > deep/er/x; rm empty; printf '1\\n2' > $'od\\nd \"name\\\\';"
      "printf 'y' > $'\\xc3\\xa4'");
  ExpectGitApplies();
}

TEST_P(OverlayDiffTest, RandomEditsApply) {
  InLower(
      "for i in $(seq 12); do for j in $(seq $((i*i*3))); do echo $(($RANDOM % 40)); done > f$i; "
      "done");
  LetTimePass();
  InSession(
      "for i in $(seq 12); do awk -v s=$i 'BEGIN { srand(s) } { r = rand(); if (r < .2) next;"
      "print; if (r > .8) print int(rand() * 40) }' f$i > x; mv x f$i; done");
  ExpectGitApplies();
}

TEST_P(OverlayDiffTest, TextsThatHaveNothingInCommonAreToldInTime) {
  InLower("seq 1 60000 > a; yes a | head -100000 > b; seq 4000 | sort -R > c; seq 3000 > d");
  LetTimePass();
  InSession(
      "seq 100000 160000 > a; { yes a | head -50000; echo b; yes a | head -50000; } > b;"
      "sort -R c > x; mv x c; seq 5000 8000 > d");
  ExpectGitApplies();
}

TEST_P(OverlayDiffTest, BinaryAndLargeFilesAreOnlySaidToDiffer) {
  InLower("printf 'a\\0b' > bin; seq 10 > text");
  LetTimePass();
  InSession("printf 'a\\0c' > bin; head -c 3000000 /dev/zero | tr '\\0' x > large; chmod 600 text");
  const std::string patch = Diff("patch");
  EXPECT_NE(patch.find("Binary files a/bin and b/bin differ\n"), std::string::npos) << patch;
  EXPECT_NE(patch.find("# 3000000 bytes\n"), std::string::npos) << patch;
  EXPECT_NE(patch.find("# mode 0644 -> 0600 text\n"), std::string::npos) << patch;
  EXPECT_LT(patch.size(), 1000u);
}

TEST_P(OverlayDiffTest, StatAndNamesSayWhatCameAndWent) {
  InLower("seq 10 > a; echo b > b; seq 20 > c; mkdir d");
  LetTimePass();
  InSession("echo 11 >> a; sed -i 1d a; rm b; mv c c2; chmod 700 d; echo n > $'\\e[31mn'");
  EXPECT_EQ(Diff("stat"),
            " A \"\\033[31mn\" | 1 +\n M a | 2 +-\n D b | 1 -\n R c => c2 | added\n"
            " T d | metadata directory\n 5 changes, 2 insertions(+), 2 deletions(-)\n");
  EXPECT_EQ(Diff("names"), "A \"\\033[31mn\"\nM a\nD b\nR c => c2\nT d\n");
}

}  // namespace
}  // namespace overlay
