// What shells do with descriptors, pipelines, signals and jobs: the same words bare and inside.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/integration/bare_and_inside.h"

namespace sessionctl {
namespace {

// Runs in bash, dash and busybox alike.
constexpr char kEveryShell[] = R"sh(
set -u
# Redirections
echo one > f; echo two >> f; cat f; echo both > g 2>&1; cat < g
exec 5<> rw; echo rw >&5; exec 5>&-; cat rw
( echo out; echo err >&2 ) > o 2>&1; cat o
set -C; echo again > f; echo "noclobber $?"; echo forced >| f; cat f; set +C
cat no-such 2> /dev/null; echo "missing $?"
# Here-documents
cat << END
here $((1 + 2)) $(echo nested)
END
cat <<- 'END' > h
	tabs $none
	END
cat h
wc -c << END | tr -d ' '
$(yes 0123456789abcdef | head -n 6000)
END
# Pipelines
yes | head -n 3; echo "last $?"
false | true; echo "status $?"
printf 'b\na\nc\n' | sort | tee sorted | while read -r line; do echo "got $line"; done; cat sorted
( exit 3 ); echo "subshell $?"; x=1; ( x=2; cd /; umask 077 ); echo "$x $(umask)"; test -f f; echo "here $?"
sh -c 'kill -PIPE $$'; echo "pipe $?"
sh -c 'kill -TERM $$'; echo "term $?"
( mkdir d && cd d && > inner && ls && cd .. && rmdir d ) 2> /dev/null; echo "full $?"; rm d/inner; rmdir d
# Jobs and signals
trap 'echo trapped' USR1; kill -USR1 $$; trap - USR1
sleep 1000 & kill $!; wait $!; echo "killed $?"
( exit 7 ) & wait $!; echo "waited $?"
( trap 'echo child-trap; exit 9' TERM; : > ready; while :; do sleep 0.01; done ) & p=$!
while ! [ -e ready ]; do :; done; kill $p; wait $p; echo "trap $?"
mkfifo p; cat p & echo through > p; wait; rm p
i=0; while [ $i -lt 20 ]; do ( echo $i > "t$i"; mv "t$i" "m$i" ) & i=$((i + 1)); done; wait; ls m* | wc -l | tr -d ' '
for n in a b c; do echo $n; done > loop; cat loop; read -r first < loop; echo "$first"
umask 027; : > masked; ls -l masked | cut -c1-10; umask 022
ulimit -n > /dev/null && echo limited
trap 'echo bye; rm -f f' EXIT
exit 5
)sh";

constexpr char kBash[] = R"sh(
set -o pipefail
false | true; echo "pipefail $? "
false | ( exit 3 ) | true; echo "${PIPESTATUS[*]}"
yes | head -n 1 > /dev/null; echo "${PIPESTATUS[*]}"
set +o pipefail
diff <(printf '1\n2\n') <(printf '1\n3\n'); echo "process substitution $?"
printf 'x\ny\n' > >(cat > copied; : > done); while ! [ -e done ]; do sleep 0.01; done; cat copied
cat <<< "here string"; read -r a b <<< "p q"; echo "$b $a"
sleep 1000 & slow=$!; ( exit 4 ) & wait -n; echo "first $?"; kill $slow; wait -n; echo "second $?"
set -m; sleep 1000 & jobs %1 | tr -s ' ' | cut -d' ' -f1-2; kill %1; wait %1; echo "job $?"; set +m
coproc cat; echo coprocess >&"${COPROC[1]}"; read -r line <&"${COPROC[0]}"; echo "$line"; exec {COPROC[1]}>&-; wait
exec {fd}> numbered; echo $((fd >= 10)) >&$fd; exec {fd}>&-; cat numbered
mapfile -t lines < <(seq 3); echo "${#lines[@]}"
cat /dev/fd/3 3<<< descriptor; echo stdout > /dev/stdout; echo stderr 2>&1 > /dev/stderr
[[ -e copied && ! -e absent ]] && echo tested; shopt -s nullglob; echo n*d
trap 'echo debug' DEBUG; :; trap - DEBUG
)sh";

class ShellsTest : public testing::TestWithParam<std::vector<std::string>> {};

TEST_P(ShellsTest, PipelinesRedirectionsAndJobsAreThoseOfABareRun) {
  ExpectSameScript(GetParam(), kEveryShell);
}

INSTANTIATE_TEST_SUITE_P(All, ShellsTest,
                         testing::Values(std::vector<std::string>{"/bin/bash"},
                                         std::vector<std::string>{"/bin/dash"},
                                         std::vector<std::string>{"/bin/busybox", "sh"}),
                         [](const auto& shell) {
                           return shell.param.back() == "sh" ? "Busybox" : shell.param[0].substr(5);
                         });

TEST(BashTest, WhatOnlyBashHasIsThatOfABareRun) { ExpectSameScript({"/bin/bash"}, kBash); }

}  // namespace
}  // namespace sessionctl
