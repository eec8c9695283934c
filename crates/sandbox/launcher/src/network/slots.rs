//! Which addresses are in use.

use std::collections::VecDeque;
use std::net::Ipv4Addr;

use super::netlink::Mac;
use super::{GATEWAY, Slot};

/// Addresses from 169.254.96.2 to 169.254.111.254: four times the environments that an account may have (AWS: "Lambda
/// quotas"), so that one that was given back rests before it is used again.
const LAST: u16 = 16 * 256 - 2;

/// The router's hardware address on every link to a function, a locally administered one.
pub(super) const ROUTER_MAC: Mac = [0x02, 0x6c, 0x6d, 0x62, 0, 1];

impl Slot {
    pub(super) fn address(self) -> Ipv4Addr {
        Ipv4Addr::from_bits((GATEWAY.to_bits() & !0xfff) + u32::from(self.0))
    }

    pub(super) fn mac(self) -> Mac {
        let [high, low] = self.0.to_be_bytes();
        [0x02, 0x6c, 0x6d, 0x62, high, low]
    }

    /// The router's end of its link.
    pub(super) fn link(self) -> String {
        format!("s{}", self.0)
    }
}

/// The free ones, the longest free first.
pub(super) struct Slots(VecDeque<Slot>);

impl Slots {
    pub(super) fn new() -> Self {
        Self((2..=LAST).map(Slot).collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn take(&mut self) -> Option<Slot> {
        self.0.pop_front()
    }

    pub(super) fn release(&mut self, slot: Slot) {
        self.0.push_back(slot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_distinct_and_never_the_gateways() {
        let slots = Slots::new().0;
        assert_eq!(slots[0].address(), Ipv4Addr::new(169, 254, 96, 2));
        let last = slots[slots.len() - 1];
        assert_eq!(last.address(), Ipv4Addr::new(169, 254, 111, 254));
        assert_eq!((last.mac()[4..].to_vec(), last.link().as_str()), (vec![0x0f, 0xfe], "s4094"));
        assert!(slots.iter().all(|slot| slot.mac() != ROUTER_MAC && slot.address() != GATEWAY));
    }

    #[test]
    fn an_address_rests_before_it_is_used_again() {
        let mut slots = Slots::new();
        let first = slots.take().unwrap();
        slots.release(first);
        assert_ne!(slots.take(), Some(first));
        assert!(std::iter::from_fn(|| slots.take()).any(|slot| slot == first));
    }
}
