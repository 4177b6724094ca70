#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# check.sh all|unit|system|lint|asan|cover - builds what is to be tested, runs it, and ends with the line
# "N passed, N failed, N skipped".  Exit status 1 if anything failed.  Every step has a time limit;
# logs and pictures are kept in build/check.
#   B=DIR        the build directory           TESTS=PATTERN   only these system tests
#   JOBS=N       parallel jobs (processors, at most 4)
set -uo pipefail
cd "$(dirname "$0")/.." || exit 2
what=${1-all}
: "${B:=build}" "${JOBS:=$(n=$(nproc); echo $((n > 4 ? 4 : n)))}"
export B
case $what in all | unit | system | lint | asan | cover) ;; *) sed -n 's/^# \{0,1\}//;3,7p' "$0" >&2; exit 2 ;; esac
passed=0 failed=0 skipped=0 started=$SECONDS
logs=$B/check
mkdir -p "$logs"

step() { echo "== $* ($((SECONDS - started)) s)"; }
count() { passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3)); }
finish() {
    echo "== finished ($((SECONDS - started)) s)"
    echo "$passed passed, $failed failed, $skipped skipped"
    [ "$failed" = 0 ]
    exit
}
# limited SECONDS COMMAND...: ends it, and what it started, after so many seconds
limited() {
    local seconds=$1; shift
    timeout --kill-after=10 "$seconds" "$@" </dev/null
}

build() { # make's variables...
    step "build"
    if [ ! -e config.mk ] || [ ! -e config.h ] || [ configure -nt config.mk ]; then
        limited 60 ./configure >"$logs/configure.log" 2>&1 || {
            cat "$logs/configure.log" >&2; count 0 1 0; finish; }
    fi
    if limited 900 make --no-print-directory -j"$JOBS" "$@" check-build >"$logs/build.log" 2>&1; then
        count 1 0 0
    else
        echo "FAILED: make (all of its output is in $logs/build.log)"
        grep -E 'error|Error|undefined|warning' "$logs/build.log" | tail -n 30
        count 0 1 0
        finish
    fi
}

lint() {
    step "lint"
    if limited 180 python3 tests/lint/lint.py 2>&1; then count 1 0 0; else count 0 1 0; fi
}

# The counts are from the TAP report: Criterion's own summary leaves out the skipped.
# Tests that start a program start the one that was built with them.
unit() { # SECONDS-PER-PROGRAM make's variables...
    local limit=$1 program name tap good bad skip planned status; shift
    export DM_UI=$B/bin/dm-ui DM_SDL=$B/bin/dm-sdl DM_SOUND=$B/bin/dm-sound
    for program in $(make --no-print-directory "$@" list-tests); do
        name=${program##*/} tap=$logs/$name.tap
        [ -x "$program" ] || continue
        step "tests/$name"
        rm -f "$tap"
        limited "$limit" "$program" -j"$JOBS" --timeout 120 --tap="$tap" >"$logs/$name.log" 2>&1
        status=$?
        planned=$(sed -n 's/^1\.\.//p' "$tap" 2>/dev/null); planned=${planned:-0}
        skip=$(grep -c '^\(not \)\?ok .*# SKIP' "$tap" 2>/dev/null)
        good=$(grep '^ok ' "$tap" 2>/dev/null | grep -vc '# SKIP')
        bad=$(grep '^not ok ' "$tap" 2>/dev/null | grep -vc '# SKIP')
        skip=${skip:-0} good=${good:-0} bad=${bad:-0}
        # a program that died, was stopped or reports too few tests failed
        if [ $((good + bad + skip)) -lt "$planned" ] || { [ "$status" != 0 ] && [ "$bad" = 0 ]; }; then
            echo "FAILED: tests/$name ended with status $status ($limit s allowed)"
            bad=$((bad + 1))
        fi
        grep '# SKIP' "$tap" 2>/dev/null | sed 's/^\(not \)\?ok - /skipped: /'
        if [ "$bad" != 0 ]; then
            grep -v '^\[====\] \(Running\|Synthesis\)' "$logs/$name.log" | tail -n 40
            grep '^not ok' "$tap" 2>/dev/null | sed 's/^not ok - /FAILED: /'
        fi
        echo "tests/$name: $good passed, $bad failed, $skip skipped"
        count "$good" "$bad" "$skip"
    done
}

system() {
    local line
    step "media"
    # With the search path of a user who is not root, as make demo must work, too.
    if ! PATH=/usr/local/bin:/usr/bin:/bin limited 600 tests/media/mkmedia.sh "$B/media" "$B/demo" >"$logs/media.log" 2>&1; then
        echo "FAILED: tests/media/mkmedia.sh"
        tail -n 20 "$logs/media.log"
        count 0 1 0
    fi
    step "tests/system"
    rm -f "$logs/system.count"
    # shellcheck disable=SC2086
    limited 1200 python3 tests/system/run.py --jobs "$JOBS" --count "$logs/system.count" ${TESTS-} 2>&1
    if read -r line <"$logs/system.count" 2>/dev/null; then
        # shellcheck disable=SC2086
        count $line
    else
        echo "FAILED: tests/system was stopped"
        count 0 1 0
    fi
}

case $what in
all) build; lint; unit 300; system ;;
unit) build; unit 300 ;;
system) build; system ;;
lint) lint ;;
asan)
    logs=$B/asan/check B=$B/asan
    mkdir -p "$logs"
    export B ASAN_OPTIONS=detect_leaks=0:abort_on_error=0:use_sigaltstack=0 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
    # gcc warns of impossible values where the sanitizers check them.
    build "B=$B" SANITIZE=address,undefined WERROR=0
    unit 900 "B=$B" SANITIZE=address,undefined ;;
cover)
    logs=$B/cover/check B=$B/cover
    mkdir -p "$logs"
    export B
    find "$B" -name '*.gcda' -delete
    build "B=$B" COVER=1 WERROR=0
    unit 900 "B=$B" COVER=1 TEST_DIRS='hw dm block net ui hvm'
    step "coverage"
    if python3 tests/cover.py "$B" hw/ hypervisor/hvm/; then count 1 0 0; else count 0 1 0; fi ;;
esac
finish
