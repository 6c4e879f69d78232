#!/usr/bin/perl
# watch.pl MARKER INTERVAL DIRECTORY...: until standard input ends, looks every INTERVAL milliseconds at the processes of this
# machine whose environment contains MARKER (all, when it is empty) and at the files in the directories, and prints what it
# has not printed yet: "args PID ...", "env PID NAME=VALUE", "file PATH ..."; at last "samples COUNT longest MILLISECONDS".
use strict;
use warnings;
use Time::HiRes qw(time);

my ($marker, $interval, @directories) = @ARGV;
my (%seen, %foreign);
my ($samples, $longest, $last) = (0, 0, time);
binmode STDOUT;

sub content {
    my ($path, $limit) = @_;
    open(my $file, '<:raw', $path) or return '';
    my $bytes = '';
    while (sysread($file, my $part, 65536)) {
        $bytes .= $part;
        last if length($bytes) > $limit;
    }
    return $bytes;
}

sub report {
    my ($kind, $name, $text) = @_;
    $text =~ s/\n/\\n/g;
    print "$kind $name $text\n" unless $seen{"$kind $name $text"}++;
}

while (1) {
    opendir(my $proc, '/proc') or die;
    for my $pid (grep { /^\d+$/ && $_ != $$ } readdir $proc) {
        # A child has its parent's environment before it starts its own program, so a stranger is asked a few times.
        next if ($foreign{$pid} // 0) > 20;
        my $environment = content("/proc/$pid/environ", 4_000_000);
        if ($marker ne '' && index($environment, $marker) < 0) {
            $foreign{$pid}++;
            next;
        }
        delete $foreign{$pid};
        my $arguments = content("/proc/$pid/cmdline", 4_000_000);
        next if $seen{"$pid $arguments\0\0$environment"}++;
        report('args', $pid, join(' ', split(/\0/, $arguments)));
        report('env', $pid, $_) for split(/\0/, $environment);
    }
    for my $directory (@directories) {
        opendir(my $listing, $directory) or next;
        for my $name (readdir $listing) {
            my $path = "$directory/$name";
            my @status = lstat $path;
            next unless @status && -f _ && !$seen{"$path $status[7] $status[10]"}++;
            report('file', $path, content($path, 1_000_000));
        }
    }
    $samples++;
    my $read = '';
    vec($read, 0, 1) = 1;
    last if select($read, undef, undef, $interval / 1000);
    my $now = time;
    my $gap = ($now - $last) * 1000;
    $longest = $gap if $gap > $longest;
    $last = $now;
}
printf "samples %d longest %d\n", $samples, $longest;
