// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What Linux reads when the generated overlay lies over a machine's tree: laid over by `fdtoverlay`, read back.

use crate::source::{altered, platform};
use manifests::{LinuxBoot, Node, Platform, Reason, Tree};
use std::{fs, path::Path, process::Command};

const BOOT: LinuxBoot<'_> = LinuxBoot { arguments: "console=ttyAMA0 x=y", initramfs_size: 0x1234 };

/// As QEMU describes `virt`, shortened.
const VIRT: &str = "/dts-v1/; / { #address-cells = <2>; #size-cells = <2>;
    gic: intc { interrupt-controller; #interrupt-cells = <3>; };
    smmu: smmuv3@9050000 { compatible = \"arm,smmu-v3\"; };
    pcie { iommu-map = <0 &smmu 0 0x10000>; interrupt-parent = <&gic>; };
    bus { iommu@1 { compatible = \"vendor,smmu\", \"arm,smmu-v3\"; }; };
    chosen { stdout-path = \"/pl011@9000000\"; }; };";

/// As QEMU describes `sbsa-ref`.
const SBSA: &str = "/dts-v1/; / { #address-cells = <2>; #size-cells = <2>;
    chosen { };
    intc { reg = <0 0x40060000 0 0x10000 0 0x40080000 0 0x4000000>; its { reg = <0 0x44081000 0 0x20000>; }; };
    cpus { #address-cells = <2>; #size-cells = <0>; topology { }; cpu@0 { reg = <0 0>; }; cpu@1 { reg = <0 1>; }; }; };";

fn compiled(folder: &Path, text: &str) -> Tree {
    let file = folder.join("machine.dts");
    fs::write(&file, text).unwrap();
    let status = Command::new("dtc")
        .args(["-q", "-O", "dtb", "-o"])
        .arg(folder.join("machine.dtb"))
        .arg(&file)
        .status();
    assert!(status.unwrap().success());
    Tree::from_source(&file).unwrap()
}

/// Returns the tree that Linux reads on a platform whose own tree is `text`.
fn laid_over(platform: &Platform, text: &str) -> Tree {
    let folder = tempfile::tempdir().unwrap();
    let machine = compiled(folder.path(), text);
    let overlay = platform.linux_overlay(&machine, BOOT).unwrap();
    let [over, result] = ["over.dtbo", "result.dtb"].map(|name| folder.path().join(name));
    fs::write(&over, &overlay.blob).unwrap();
    let status = Command::new("fdtoverlay")
        .arg("-i")
        .arg(folder.path().join("machine.dtb"))
        .arg("-o")
        .arg(&result)
        .arg(&over)
        .status();
    assert!(status.unwrap().success(), "{}", overlay.text);
    Tree::from_dtb(&result, &fs::read(&result).unwrap()).unwrap()
}

fn at<'a>(tree: &'a Tree, path: &str) -> &'a Node {
    path.split('/').filter(|part| !part.is_empty()).fold(tree.root(), |node, name| node.child(name).unwrap())
}

#[test]
fn every_smmu_of_the_machine_is_disabled_and_nothing_else() {
    let tree = laid_over(&platform("qemu-virt"), VIRT);
    for path in ["/smmuv3@9050000", "/bus/iommu@1"] {
        assert_eq!(at(&tree, path).string("status").unwrap(), "disabled", "{path}");
    }
    for path in ["/", "/pcie", "/bus", "/intc"] {
        assert!(!at(&tree, path).has("status"), "{path}");
    }
}

#[test]
fn linux_is_told_its_arguments_its_files_and_that_the_pool_is_not_its_own() {
    for (name, text) in [("qemu-virt", VIRT), ("qemu-sbsa", SBSA)] {
        let platform = platform(name);
        let tree = laid_over(&platform, text);
        let chosen = at(&tree, "/chosen");
        let folder = tempfile::tempdir().unwrap();
        let text = platform.linux_overlay(&compiled(folder.path(), text), BOOT).unwrap().text;
        assert!(text.contains("bootargs = \"console=ttyAMA0 x=y\";"), "{text}");
        let place = platform.linux.as_ref().unwrap().initramfs;
        let wide = |name| {
            let cells = chosen.cells(name).unwrap();
            u64::from(cells[0]) << 32 | u64::from(cells[1])
        };
        assert_eq!(wide("linux,initrd-start"), place.base);
        assert_eq!(wide("linux,initrd-end"), place.base + BOOT.initramfs_size);
        let pool = at(&tree, "/reserved-memory/pool");
        assert_eq!(pool.range("reg").unwrap(), platform.memory.pool);
        assert!(pool.flag("no-map").unwrap());
    }
}

#[test]
fn what_a_bare_tree_leaves_out_is_described_and_refers_to_the_machines_own_nodes() {
    let platform = platform("qemu-sbsa");
    let tree = laid_over(&platform, SBSA);
    let path_of = |phandle| tree.by_phandle(phandle).unwrap().path().to_owned();
    assert_eq!(path_of(tree.root().u32("interrupt-parent").unwrap()), "/intc");
    assert_eq!(path_of(at(&tree, "/pcie").cells("msi-map").unwrap()[1]), "/intc/its");
    assert_eq!(path_of(at(&tree, "/serial").cells("clocks").unwrap()[0]), "/clock");
    assert_eq!(at(&tree, "/serial").range("reg").unwrap(), platform.devices.normal_uart);
    assert_eq!(at(&tree, "/pcie").range("reg").unwrap(), platform.devices.pci_configuration);
    for core in ["/cpus/cpu@0", "/cpus/cpu@1"] {
        assert_eq!(at(&tree, core).string("device_type").unwrap(), "cpu");
        assert!(at(&tree, core).has("reg"), "the machine's own property stays");
    }
    assert!(!at(&tree, "/cpus/topology").has("device_type"));
    // Slot 1, pin 2 is the third of the bridge's interrupts: ten cells an entry, the SPI in the ninth.
    let map = at(&tree, "/pcie").cells("interrupt-map").unwrap();
    let entry: Vec<_> = map.chunks(10).find(|entry| entry[0] == 1 << 11 && entry[3] == 2).unwrap().to_vec();
    assert_eq!((path_of(entry[4]).as_str(), entry[8]), ("/intc", 5));
    assert_eq!(map.len(), 16 * 10);
}

#[test]
fn what_does_not_fit_or_is_not_described_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let machine = compiled(folder.path(), SBSA);
    let sbsa = platform("qemu-sbsa");
    let large = LinuxBoot { initramfs_size: sbsa.linux.as_ref().unwrap().initramfs.size + 1, ..BOOT };
    let refused = |platform: &Platform, boot| platform.linux_overlay(&machine, boot).unwrap_err().reason;
    assert!(matches!(refused(&sbsa, large), Reason::TooLarge(what, ..) if what == "initramfs"));
    assert!(matches!(refused(&platform("fvp"), BOOT), Reason::MissingNode(what) if what == "linux"));
    let coreless = compiled(folder.path(), "/dts-v1/; / { chosen { }; };");
    assert!(matches!(sbsa.linux_overlay(&coreless, BOOT).unwrap_err().reason, Reason::MissingNode(_)));
}

#[test]
fn descriptions_say_it_in_the_bindings_form() {
    let refused = |from: &str, to: &str| altered(&[(from, to)]).unwrap_err();
    let overlap =
        refused("reg = <0x100 0x28000000 0x0 0x01000000>", "reg = <0x100 0x20800000 0x0 0x01000000>");
    assert!(matches!(overlap.reason, Reason::Overlap(..)), "{overlap}");
    assert_eq!(overlap.node, "/linux/initramfs");
    for (from, to) in [
        ("console-spi = <1>", "console-spi = <988>"),
        ("pci-spis = <3 4 5 6>", "pci-spis = <3 4 5>"),
        ("pci-spis = <3 4 5 6>", "pci-spis = <3 4 5 6000>"),
        ("console-spi = <1>;", ""),
        ("console-spi = <1>", "uart-spi = <1>"),
    ] {
        assert_eq!(refused(from, to).node, "/linux/undescribed", "{to}");
    }
}
