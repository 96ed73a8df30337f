//! Where a request came from.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::extract::ConnectInfo;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};

/// The client's address. `proxy_header` names the header in which a trusted proxy tells it; without one the
/// address of the connection counts. The last address of the header is the one our own proxy saw; those
/// before it anybody can make up.
pub fn client_address(
    headers: &HeaderMap,
    proxy_header: Option<&HeaderName>,
    peer: Option<IpAddr>,
) -> Option<IpAddr> {
    let Some(name) = proxy_header else {
        return peer;
    };
    let seen = headers.get_all(name).iter().next_back().and_then(|value| {
        let last = value.to_str().ok()?.rsplit(',').next()?.trim();
        last.parse()
            .or_else(|_| last.parse::<SocketAddr>().map(|address| address.ip()))
            .ok()
    });
    seen.or(peer)
}

/// [`client_address`] of a request as the server hands it over.
pub fn of_parts(parts: &Parts, proxy_header: Option<&HeaderName>) -> Option<IpAddr> {
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    let peer = peer.map(|ConnectInfo(peer)| peer.ip());
    client_address(&parts.headers, proxy_header, peer)
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

    fn address(header: Option<&'static str>, forwarded: &[&'static str]) -> Option<IpAddr> {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", HeaderValue::from_static(value));
        }
        let name = header.map(HeaderName::from_static);
        let peer = Some(IpAddr::from([127, 0, 0, 1]));
        client_address(&headers, name.as_ref(), peer)
    }

    #[test]
    fn only_a_configured_header_names_the_client() {
        let local = Some(IpAddr::from([127, 0, 0, 1]));
        let seen = Some(IpAddr::from([203, 0, 113, 7]));
        assert_eq!(address(None, &["203.0.113.7"]), local);
        let header = Some("x-forwarded-for");
        assert_eq!(address(header, &["203.0.113.7"]), seen);
        assert_eq!(address(header, &["198.51.100.1, 203.0.113.7"]), seen);
        assert_eq!(address(header, &["198.51.100.1", "203.0.113.7:443"]), seen);
        assert_eq!(address(header, &["no address"]), local);
        assert_eq!(address(header, &[]), local);
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
