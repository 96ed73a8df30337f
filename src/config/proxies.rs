//! Which proxies before the service are believed when they say where a request came from.

use std::net::IpAddr;

use serde::Deserialize;

use super::values::Knob;

/// The most proxies one after the other.
const MAX_COUNT: usize = 9;

/// What a wrong value is told.
const EXPECTED: &str = "expected false, true, how many proxies there are one after the other (1 to 9), or their \
     networks, as in 10.0.0.0/8,192.168.1.5";

/// The proxies whose `X-Forwarded-For` is believed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub enum TrustedProxies {
    /// None: a caller is where the connection comes from.
    #[default]
    None,
    /// So many, one after the other, each of which adds an address; nobody reaches the service, or one of them, but
    /// through those before it.
    Count(usize),
    /// Those in these networks, however many: the caller is the last address that is in none of them. Who reaches
    /// the service from elsewhere is not believed.
    Networks(Vec<Network>),
}

/// The forms of it in a file.
#[derive(Deserialize)]
#[serde(untagged, expecting = "true, false, a number or networks in quotes")]
enum Written {
    Switch(bool),
    Count(u64),
    Text(String),
}

impl TryFrom<Written> for TrustedProxies {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        match written {
            Written::Switch(is_on) => Self::read(if is_on { "true" } else { "false" }),
            Written::Count(count) => Self::read(&count.to_string()),
            Written::Text(text) => Self::read(&text),
        }
    }
}

impl TrustedProxies {
    /// Whether a connection from `peer` is that of a proxy, which asks for everybody.
    pub fn hold(&self, peer: IpAddr) -> bool {
        match self {
            Self::None => false,
            Self::Count(_) => true,
            Self::Networks(networks) => networks.iter().any(|network| network.contains(peer)),
        }
    }
}

impl Knob for TrustedProxies {
    const IS_SWITCH: bool = true;

    fn read(text: &str) -> Result<Self, String> {
        match bool::read(text) {
            Ok(true) => return Ok(Self::Count(1)),
            Ok(false) => return Ok(Self::None),
            Err(_) => {}
        }
        let wrong = || EXPECTED.to_owned();
        if let Ok(count) = text.parse::<usize>() {
            return (1..=MAX_COUNT)
                .contains(&count)
                .then_some(Self::Count(count))
                .ok_or_else(wrong);
        }
        let networks = text.split(',').map(str::trim);
        let networks = networks.filter(|network| !network.is_empty());
        let networks: Option<Vec<_>> = networks.map(Network::parse).collect();
        match networks {
            Some(networks) if !networks.is_empty() => Ok(Self::Networks(networks)),
            _ => Err(wrong()),
        }
    }
}

/// A network: all addresses that begin with the same bits. One address is a network, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u32,
}

impl Network {
    /// Reads `10.0.0.0/8`, `2001:db8::/32` or an address alone.
    fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u32>().ok()?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let most = match address {
            IpAddr::V4(_) => 32,
            IpAddr::V6(_) => 128,
        };
        let bits = bits.unwrap_or(most);
        if bits > most {
            return None;
        }
        match address.to_canonical() {
            // One of IPv4, written as one of IPv6: all of it lies in the last 32 bits.
            canonical @ IpAddr::V4(_) if address.is_ipv6() => Some(Self {
                address: canonical,
                bits: bits.checked_sub(96)?,
            }),
            _ => Some(Self { address, bits }),
        }
    }

    /// Whether `address` is in it; one of IPv4 written as one of IPv6 counts as what it is.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let differ = u64::from(own.to_bits() ^ other.to_bits());
                differ >> (32 - self.bits) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let differ = own.to_bits() ^ other.to_bits();
                differ.checked_shr(128 - self.bits).unwrap_or_default() == 0
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_holds_the_addresses_that_begin_as_it_does() {
        let holds = |network: &str, address: &str| {
            let network = Network::parse(network).unwrap();
            network.contains(address.parse().unwrap())
        };
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
            ("192.168.1.5", "192.168.1.5", "192.168.1.4"),
            ("192.168.1.5", "::ffff:192.168.1.5", "::1"),
            ("172.16.0.0/12", "172.31.255.255", "172.32.0.0"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::1"),
            ("fd00::/8", "fdff::1", "10.0.0.1"),
            ("::ffff:10.0.0.0/104", "10.255.0.1", "11.0.0.0"),
            ("::ffff:192.168.1.5", "::ffff:192.168.1.5", "192.168.1.4"),
            ("::1", "::1", "::2"),
        ] {
            assert!(holds(network, inside), "{network} {inside}");
            assert!(!holds(network, outside), "{network} {outside}");
        }
        assert!(holds("0.0.0.0/0", "203.0.113.7"));
        assert!(!holds("0.0.0.0/0", "2001:db8::1"));
        assert!(holds("::/0", "2001:db8::1"));
    }

    #[test]
    fn proxies_are_none_one_several_or_networks() {
        let read = |text: &str| TrustedProxies::read(text);
        assert_eq!(read("false"), Ok(TrustedProxies::None));
        assert_eq!(read("0"), Ok(TrustedProxies::None));
        assert_eq!(read("true"), Ok(TrustedProxies::Count(1)));
        assert_eq!(read("1"), Ok(TrustedProxies::Count(1)));
        assert_eq!(read("3"), Ok(TrustedProxies::Count(3)));
        let networks = read("10.0.0.0/8, ::1").unwrap();
        let [proxy, other] = ["10.0.0.7", "203.0.113.7"].map(|text| text.parse().unwrap());
        assert_eq!((networks.hold(proxy), networks.hold(other)), (true, false));
        assert!(!TrustedProxies::None.hold(proxy) && TrustedProxies::Count(1).hold(other));
        assert!(matches!(networks, TrustedProxies::Networks(all) if all.len() == 2));
        for wrong in [
            "10",
            "-1",
            "perhaps",
            "10.0.0.0/33",
            "10.0.0/8",
            "::/129",
            "::ffff:10.0.0.0/95",
            "10.0.0.0/8,nginx",
            ",",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
