#!/usr/bin/perl
# perl: file handles, File::* modules, locks, directories, forks, in-place edits, tied files.
use strict; use warnings;
use Cwd qw(getcwd realpath);
use Fcntl qw(:DEFAULT :flock :seek :mode);
use File::Basename; use File::Compare; use File::Copy qw(copy move cp); use File::Find; use File::Path qw(make_path remove_tree);
use File::Spec; use File::Temp qw(tempfile tempdir); use File::stat; use IO::File; use IO::Handle; use IO::Select;
use POSIX qw(:sys_wait_h mkfifo); use Socket; use IO::Socket::UNIX;
$| = 1;
my $work = getcwd();
make_path('tree/a/b', 'tree/c', { mode => 0750 });
for my $i (1 .. 30) { open(my $out, '>', "tree/a/$i") or die; print $out "line $i\n" x $i; close $out }
my ($handle, $name) = tempfile('t-XXXXXX', DIR => '.', SUFFIX => '.x', UNLINK => 0);
printf "tempfile %o\n", stat($name)->mode; print $handle "temporary"; close $handle; unlink $name or die;
my $directory = tempdir(CLEANUP => 0, DIR => '.'); printf "tempdir %o\n", stat($directory)->mode; rmdir $directory or die;
copy('tree/a/3', 'tree/copied') and move('tree/copied', 'tree/c/moved') or die; cp('tree/a/4', 'tree/c'); print "compare ", compare('tree/a/3', 'tree/c/moved'), "\n";
rename 'tree/a/1', 'tree/a/b/one'; link 'tree/a/2', 'tree/hard'; symlink 'a/2', 'tree/link'; print readlink('tree/link'), " ", -l 'tree/link' ? 1 : 0, "\n";
chmod 0604, 'tree/a/5'; utime 100, 200, 'tree/a/5'; truncate 'tree/a/6', 3; printf "%o %d %d\n", S_IMODE(stat('tree/a/5')->mode), stat('tree/a/5')->mtime, -s 'tree/a/6';
my $found = 0; find({ wanted => sub { $found++ if -f }, no_chdir => 1 }, 'tree'); finddepth(sub { unlink if /^2\d$/ }, 'tree'); print "found $found\n";
opendir(my $listing, 'tree/a') or die; print join(' ', sort grep { !/^\./ } readdir $listing), "\n"; rewinddir $listing; print telldir($listing) >= 0 ? "ok\n" : ''; closedir $listing;
open(my $locked, '+>', 'lock') or die; flock($locked, LOCK_EX) or die;
if (my $pid = fork) { waitpid $pid, 0; print "child ", $? >> 8, "\n" } else { open(my $same, '<', 'lock'); exit(flock($same, LOCK_EX | LOCK_NB) ? 1 : 7) }
flock($locked, LOCK_UN); seek($locked, 5000, SEEK_SET); print $locked 'end'; close $locked; print "sparse ", -s 'lock', "\n";
sysopen(my $exclusive, 'exclusive', O_WRONLY | O_CREAT | O_EXCL, 0600) or die; syswrite $exclusive, 'x' x 100; close $exclusive;
print "again: ", (sysopen(my $again, 'exclusive', O_WRONLY | O_CREAT | O_EXCL) ? 'opened' : $!), "\n";
{ local ($^I, @ARGV) = ('.orig', 'tree/a/7', 'tree/a/8'); while (<>) { s/line/LINE/; print } }
open(my $pipe, '-|', 'cat tree/a/7 | wc -l') or die; print 'pipe ', scalar(<$pipe>); close $pipe;
mkfifo('fifo', 0600) or die; if (my $pid = fork) { open(my $in, '<', 'fifo'); print 'fifo ', <$in>; waitpid $pid, 0 } else { open(my $out, '>', 'fifo'); print $out "through\n"; close $out; POSIX::_exit(0) }
open(my $append, '>>', 'appended'); my @children; for my $n (1 .. 4) { my $pid = fork; if (!$pid) { syswrite $append, "$n" x 9 . "\n" for 1 .. 50; POSIX::_exit(0) } push @children, $pid } waitpid $_, 0 for @children;
open(my $in, '<', 'appended'); my %count; while (<$in>) { chomp; $count{$_}++ } print join(' ', map { "$_=$count{$_}" } sort keys %count), "\n"; close $append; unlink 'appended';
my $server = IO::Socket::UNIX->new(Local => 'unix.sock', Listen => 1) or die $!; if (my $pid = fork) { my $c = $server->accept; print 'socket ', scalar(<$c>); waitpid $pid, 0 } else { my $c = IO::Socket::UNIX->new(Peer => "$work/unix.sock"); print $c "hello\n"; close $c; POSIX::_exit(0) } unlink 'unix.sock';
open(my $memory, '<', \"in memory\n"); print scalar <$memory>; open(my $dup, '>&', \*STDOUT); print $dup "dup\n"; close $dup;
print basename(realpath('tree/link')), " ", (-w '/usr/bin/perl' ? 1 : 0), " ", (mkdir('tree') ? 'made' : $! + 0), " ", (rmdir('tree') ? 'gone' : $! + 0), " ", (open(my $none, '<', 'none/such') ? '' : $! + 0), "\n";
my %tied; require SDBM_File; tie(%tied, 'SDBM_File', 'dbm', O_RDWR | O_CREAT, 0640) or die; $tied{$_} = $_ ** 2 for 1 .. 300; print "dbm $tied{17} ", scalar(keys %tied), "\n"; untie %tied;
remove_tree('tree/c', { keep_root => 1 }); chdir 'tree/a' or die; print glob('[3-5]'), "\n"; chdir '../..'; umask 077; mkdir 'masked'; printf "%o\n", S_IMODE(stat('masked')->mode);
