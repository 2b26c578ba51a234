"""The test suites that run_suites.py knows: what each needs, its units, how one is started and how its report is read.

A unit is what is run at once: a module, or a program of tests. A report is {case: "passed" | "failed" | "skipped"}.
To add a suite that Debian has as a package: a class here, a line in SUITES, its package in scripts/lib.sh.
"""

import re
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path


class CPython:
    """CPython's own tests, one module at a time, by its JUnit report."""

    package = "libpythonX.Y-testsuite"
    python = "/usr/bin/python3"
    # About two minutes: what has most to do with files and processes.
    short = """
        test_os test_posix test_posixpath test_genericpath test_shutil test_glob test_tempfile test_pathlib test_stat
        test_fileio test_mmap test_fcntl test_filecmp test_fnmatch test_dbm test_linecache test_fileinput test_netrc
        test_pty test_selectors test_openpty test_ioctl
        """.split()
    # The rest of what is not about the language alone.
    more = """
        test_io test_file test_file_eintr test_largefile test_bufio test_univnewlines test_memoryio test_zipfile
        test_zipfile64 test_tarfile test_gzip test_bz2 test_lzma test_zipapp test_zipimport test_sqlite3 test_dbm_dumb
        test_dbm_gnu test_dbm_ndbm test_shelve test_mailbox test_subprocess test_signal test_threading test_thread
        test_threadsignals test_fork1 test_wait3 test_wait4 test_popen test_poll test_epoll test_select test_socket
        test_socketserver test_asyncio test_asyncore test_multiprocessing_main_handling test_multiprocessing_fork
        test_multiprocessing_spawn test_multiprocessing_forkserver test_concurrent_futures test_venv test_ensurepip
        test_import test_importlib test_runpy test_cmd_line test_cmd_line_script test_compileall test_py_compile
        test_logging test_configparser test_csv test_http_cookiejar test_httpservers test_ftplib test_urllib
        test_urllib2 test_urllib2_localnet test_xmlrpc test_ssl test_tokenize test_unicode_file
        test_unicode_file_functions test_utf8_mode test_site test_sysconfig test_regrtest test_faulthandler test_gdb
        test_support test_tracemalloc test_trace test_profile test_cprofile test_pdb test_doctest test_unittest
        test_resource test_grp test_pwd test_getpass test_syslog test_termios test_tty test_curses test_readline
        test_eintr test_kqueue test_pipes test_pkg test_pkgutil test_pickle test_marshal test_array test_hashlib
        test_random test_uuid test_time test_datetime test_email test_mimetypes test_plistlib test_xml_etree
        test_pyexpat test_json test_ctypes test_fractions test_distutils test_lib2to3 test_tools
        test_tabnanny test_bdb test_code_module test_stable_abi_ctypes test_sys test_platform test_locale test_gettext
        test_asyncgen test_contextlib test_context test_audit test_atexit test_embed test_inspect test_capi
        test_interpreters test_wsgiref test_smtplib test_telnetlib test_poplib test_imaplib test_nntplib
        test_robotparser test_webbrowser test_zoneinfo test_turtle test_idle
        """.split()

    def present(self):
        return subprocess.run([self.python, "-c", "import test.test_os"], check=False,
                              stderr=subprocess.DEVNULL).returncode == 0

    def all_units(self):
        return self.short + self.more

    def argv(self, unit, work, timeout, cases=()):
        matches = [word for case in cases for word in ("-m", case.rsplit(".", 1)[-1])]
        return [self.python, "-m", "test", "--timeout", str(timeout // 2), "--junit-xml", str(work / "report.xml"),
                *matches, unit]

    def outcomes(self, unit, work, code, output):
        del unit, code, output
        try:
            root = ElementTree.parse(work / "report.xml").getroot()
        except (OSError, ElementTree.ParseError):
            return {}
        found = {}
        for case in root.iter("testcase"):
            kinds = {child.tag for child in case}
            outcome = "failed" if kinds & {"failure", "error"} else "skipped" if "skipped" in kinds else "passed"
            # One that fails in a subtest stands there twice.
            name = case.get("name")
            found[name] = outcome if found.get(name) != "failed" else "failed"
        return found


class GLib:
    """GLib's installed tests, one program at a time, by the TAP that it prints."""

    package = "libglib2.0-tests"
    tests = Path("/usr/libexec/installed-tests/glib")
    # Files, descriptors, directories, watching, processes, pipes, sockets, mapping.
    short = """
        async-close-output-stream async-splice-output-stream bookmarkfile buffered-input-stream buffered-output-stream
        contexts credentials data-input-stream dir environment file fileutils g-file g-file-info
        gsubprocess io-channel io-channel-basic io-stream keyfile live-g-file mappedfile mimeapps option-argv0
        pollable readwrite resources shell sleepy-stream spawn-multithreaded spawn-path-search spawn-singlethread
        spawn-test stream-rw_all testfilemonitor testing trash unix unix-fd unix-mounts unix-streams utils
        """.split()
    # These need a message bus, which is put in /tmp whatever TMPDIR says; or measure the machine.
    left_out = re.compile(r"gdbus|dbus|actions|gapplication|gmenumodel|gnotification|debugcontroller|defaultvalue"
                          r"|performance|mem-overflow|1bit-mutex|network|resolver|tls|proxy|monitor-portal")

    def present(self):
        return self.tests.is_dir()

    def all_units(self):
        names = sorted(path.name.removesuffix(".test") for path in
                       Path("/usr/share/installed-tests/glib").glob("*.test"))
        return [name for name in names if not self.left_out.search(name) and (self.tests / name).is_file()]

    def argv(self, unit, work, timeout, cases=()):
        del work, timeout
        return [str(self.tests / unit), "--tap", *(word for case in cases for word in ("-p", self.path_of(case)))]

    @staticmethod
    def path_of(case):
        return case.split(":", 1)[1]

    def outcomes(self, unit, work, code, output):
        del work, code
        found = {}
        for line in output.splitlines():
            result = re.match(r"(not )?ok \d+ (.+?)( # (?:SKIP|TODO).*)?$", line)
            if result:
                found[f"{unit}:{result[2]}"] = "failed" if result[1] else "skipped" if result[3] else "passed"
        return found


SUITES = {"cpython": CPython(), "glib": GLib()}
