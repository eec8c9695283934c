//! Blocks of IP addresses (Amazon EventBridge User Guide, "Comparison operators", "Matching IP addresses").

use std::net::IpAddr;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cidr {
    address: u128,
    bits: u32,
    is_v4: bool,
}

impl Cidr {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let malformed = |why: &str| format!("Malformed CIDR, {why}: {text}");
        let (address, bits) = text.split_once('/').ok_or_else(|| malformed("one '/' required"))?;
        let address: IpAddr = address.parse().map_err(|_| malformed("IP address required before '/'"))?;
        let bits: u32 = bits.parse().map_err(|_| malformed("mask bits must be an integer"))?;
        let is_v4 = address.is_ipv4();
        if bits > width(is_v4) {
            return Err(malformed(&format!("mask bits must be at most {}", width(is_v4))));
        }
        Ok(Self { address: number(address), bits, is_v4 })
    }

    pub(crate) fn contains(&self, text: &str) -> bool {
        text.parse::<IpAddr>().is_ok_and(|address| {
            let host = width(self.is_v4) - self.bits;
            let network = |address: u128| address.checked_shr(host).unwrap_or(0);
            address.is_ipv4() == self.is_v4 && network(number(address)) == network(self.address)
        })
    }
}

const fn width(is_v4: bool) -> u32 {
    if is_v4 { 32 } else { 128 }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u32::from(v4).into(),
        IpAddr::V6(v6) => v6.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_hold_their_addresses() {
        for (block, address, expected) in [
            ("10.0.0.0/24", "10.0.0.255", true),
            ("10.0.0.0/24", "10.0.1.0", false),
            ("0.0.0.0/0", "1.2.3.4", true),
            ("10.0.0.1/32", "10.0.0.1", true),
            ("10.0.0.1/32", "10.0.0.2", false),
            ("2001:db8::/32", "2001:db8:1::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("::/0", "::1", true),
            ("::/0", "1.2.3.4", false),
            ("10.0.0.0/24", "no address", false),
        ] {
            assert_eq!(Cidr::parse(block).unwrap().contains(address), expected, "{block} {address}");
        }
        for block in ["10.0.0.0", "10.0.0/24", "10.0.0.0/33", "10.0.0.0/x", "::/129"] {
            assert!(Cidr::parse(block).unwrap_err().starts_with("Malformed CIDR"), "{block}");
        }
    }
}
