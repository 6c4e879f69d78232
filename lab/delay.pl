#!/usr/bin/perl
# Carries Ethernet frames between the interface LINK and a new TAP device, each MS/2 later, and loses LOSS percent of them:
# delay.pl LINK TAP MS LOSS
# Perl because it is on every Debian machine with git, and because Node.js can neither open a TAP device nor a packet socket.
use strict;
use warnings;
use Socket qw(SOCK_RAW SOL_SOCKET);
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);

my ($link, $name, $ms, $loss) = @ARGV;
my $delay = $ms / 2000;
$0 = $name;    # how attach.sh recognises this process

my ($TUNSETIFF, $IFF_TAP_NO_PI)                     = (0x400454ca, 0x1002);
my ($AF_PACKET, $ETH_P_ALL)                         = (17, 3);
my ($SOL_PACKET, $PACKET_IGNORE_OUTGOING)           = (263, 23);
my ($SO_RCVBUFFORCE, $O_RDWR_NONBLOCK, $BUFFER)     = (33, 0x802, 65536);

open my $index_file, '<', "/sys/class/net/$link/ifindex" or die "$link: $!\n";
my $index = <$index_file>;
close $index_file;

socket my $wire, $AF_PACKET, SOCK_RAW, unpack('S', pack 'n', $ETH_P_ALL) or die "packet socket: $!\n";
bind $wire, pack('S n i S C C a8', $AF_PACKET, $ETH_P_ALL, $index, 0, 0, 0, '') or die "bind to $link: $!\n";
setsockopt $wire, $SOL_PACKET, $PACKET_IGNORE_OUTGOING, pack('i', 1) or die "packet socket: $!\n";
setsockopt $wire, SOL_SOCKET, $SO_RCVBUFFORCE, pack('i', 32 << 20) or die "packet socket: $!\n";
$wire->blocking(0);

sysopen my $tap, '/dev/net/tun', $O_RDWR_NONBLOCK or die "/dev/net/tun: $!\n";
ioctl $tap, $TUNSETIFF, pack('a16 S x22', $name, $IFF_TAP_NO_PI) or die "$name: $!\n";

my ($wire_fd, $tap_fd) = (fileno $wire, fileno $tap);
my $watched = '';
vec($watched, $_, 1) = 1 for $wire_fd, $tap_fd;
my @queue;    # [when, where to, frame]; the delay is constant, so the order of arrival is the order of leaving

while (1) {
    my $now = clock_gettime(CLOCK_MONOTONIC);
    while (@queue && $queue[0][0] <= $now) {
        my (undef, $to, $frame) = @{ shift @queue };
        syswrite $to, $frame;    # a frame that finds the link down is lost, as on a real wire
    }
    my $wait = @queue ? $queue[0][0] - $now : undef;
    my $ready = $watched;
    next if select($ready, undef, undef, $wait) <= 0;
    for my $way ([$wire, $wire_fd, $tap], [$tap, $tap_fd, $wire]) {
        my ($from, $fd, $to) = @$way;
        next unless vec $ready, $fd, 1;
        for (1 .. 256) {
            last unless sysread($from, my $frame, $BUFFER);
            next if $loss > 0 && rand(100) < $loss;
            push @queue, [clock_gettime(CLOCK_MONOTONIC) + $delay, $to, $frame];
        }
    }
}
