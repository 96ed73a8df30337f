//! Where a request came from.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::extract::ConnectInfo;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};

pub use crate::config::TrustedProxies;

/// In which each proxy adds the address that it saw, after those it was told.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The client's address: that of the connection, `peer`, unless that is one of `proxies`. What a proxy of ours saw is
/// believed; what stands before that in the header anybody can make up.
pub fn client_address(
    headers: &HeaderMap,
    proxies: &TrustedProxies,
    peer: Option<IpAddr>,
) -> Option<IpAddr> {
    let values = headers.get_all(FORWARDED_FOR).iter().rev();
    // From the last proxy outwards, as far as they can be read.
    let mut told = values
        .flat_map(|value| value.as_bytes().rsplit(|byte| *byte == b','))
        .map_while(|told| entry(std::str::from_utf8(told).ok()?));
    match proxies {
        TrustedProxies::None => peer,
        // There are fewer where somebody within asks one of the proxies: then the first has seen who that is.
        TrustedProxies::Count(count) => told.by_ref().take(*count).last().or(peer),
        TrustedProxies::Networks(networks) => {
            let is_ours = |address: &IpAddr| networks.iter().any(|one| one.contains(*address));
            let mut seen = peer?;
            while is_ours(&seen)
                && let Some(address) = told.next()
            {
                seen = address;
            }
            Some(seen)
        }
    }
}

/// An address as proxies write it, with a port or without.
fn entry(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    bare.unwrap_or(text)
        .parse()
        .or_else(|_| text.parse::<SocketAddr>().map(|address| address.ip()))
        .ok()
}

/// [`client_address`] of a request as the server hands it over.
pub fn of_parts(parts: &Parts, proxies: &TrustedProxies) -> Option<IpAddr> {
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    let peer = peer.map(|ConnectInfo(peer)| peer.ip());
    client_address(&parts.headers, proxies, peer)
}

/// The network that counts as one client: an IPv4 address, or the /64 of an IPv6 address, of which everybody
/// has more addresses than there are to count.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let kept = address.to_bits() >> 64 << 64;
            IpAddr::V6(Ipv6Addr::from_bits(kept))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    /// Who asks, as `proxies` are set, by way of `peer` with these headers, ` | ` between them.
    fn seen(proxies: &str, peer: &str, forwarded: &'static str) -> String {
        let mut headers = HeaderMap::new();
        for value in forwarded.split(" | ").filter(|value| !value.is_empty()) {
            let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
            headers.append("x-forwarded-for", value);
        }
        let proxies = serde_json::from_value(proxies.into()).unwrap();
        let address = client_address(&headers, &proxies, peer.parse().ok());
        address.unwrap().to_string()
    }

    #[test]
    fn only_proxies_that_are_trusted_name_the_client() {
        let proxy = "127.0.0.1";
        assert_eq!(seen("false", proxy, "203.0.113.7"), proxy);
        for (forwarded, client) in [
            ("203.0.113.7", "203.0.113.7"),
            ("198.51.100.1, 203.0.113.7", "203.0.113.7"),
            ("198.51.100.1 | 203.0.113.7:443", "203.0.113.7"),
            ("198.51.100.1 | [2001:db8::7]:443", "2001:db8::7"),
            ("[2001:db8::7]", "2001:db8::7"),
            ("198.51.100.1, no address", proxy),
            // What somebody made up hides nothing of what a proxy adds to it.
            ("\u{ff}, 203.0.113.7", "203.0.113.7"),
            ("198.51.100.1,", proxy),
            ("", proxy),
        ] {
            assert_eq!(seen("true", proxy, forwarded), client, "{forwarded}");
        }
    }

    #[test]
    fn of_several_proxies_the_first_of_ours_saw_the_client() {
        for (forwarded, client) in [
            ("203.0.113.7, 10.0.0.1", "203.0.113.7"),
            // What the client made up stands before it.
            ("198.51.100.1, 203.0.113.7, 10.0.0.1", "203.0.113.7"),
            ("198.51.100.1 | 203.0.113.7 | 10.0.0.1", "203.0.113.7"),
            // Asked by somebody within.
            ("10.0.0.9", "10.0.0.9"),
            ("nonsense, 10.0.0.1", "10.0.0.1"),
        ] {
            assert_eq!(seen("2", "10.0.0.2", forwarded), client, "{forwarded}");
        }
    }

    #[test]
    fn of_proxies_in_networks_none_is_the_client_and_nobody_else_is_believed() {
        let proxies = "10.0.0.0/8, fd00::/8";
        for (peer, forwarded, client) in [
            ("10.0.0.2", "203.0.113.7", "203.0.113.7"),
            (
                "10.0.0.2",
                "198.51.100.1, 203.0.113.7, 10.0.0.1",
                "203.0.113.7",
            ),
            ("fd00::2", "203.0.113.7, 10.0.0.1 | 10.0.0.3", "203.0.113.7"),
            ("::ffff:10.0.0.2", "203.0.113.7", "203.0.113.7"),
            // Past the first proxy: it has added an address that is none of ours.
            ("10.0.0.2", "10.0.0.7, 198.51.100.1", "198.51.100.1"),
            // Past all of them.
            ("203.0.113.9", "198.51.100.1", "203.0.113.9"),
            ("203.0.113.9", "198.51.100.1, 10.0.0.1", "203.0.113.9"),
            // Somebody within.
            ("10.0.0.2", "10.0.0.9", "10.0.0.9"),
            ("10.0.0.2", "nonsense", "10.0.0.2"),
            ("10.0.0.2", "", "10.0.0.2"),
        ] {
            assert_eq!(seen(proxies, peer, forwarded), client, "{peer} {forwarded}");
        }
    }

    #[test]
    fn neighbours_of_one_network_count_as_one() {
        let of = |text: &str| network(text.parse().unwrap());
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), of("2001:db8:1:2::9"));
        assert_ne!(of("2001:db8:1:2::9"), of("2001:db8:1:3::9"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }
}
