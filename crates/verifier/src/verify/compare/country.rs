//! The codes by which credentials and the ledger name countries (ISO 3166-1).

/// Each country's alpha-2 code and, behind it, its alpha-3 code.
const CODES: &str = "\
    ADAND AEARE AFAFG AGATG AIAIA ALALB AMARM AOAGO AQATA ARARG ASASM ATAUT AUAUS AWABW AXALA AZAZE BABIH BBBRB \
    BDBGD BEBEL BFBFA BGBGR BHBHR BIBDI BJBEN BLBLM BMBMU BNBRN BOBOL BQBES BRBRA BSBHS BTBTN BVBVT BWBWA BYBLR \
    BZBLZ CACAN CCCCK CDCOD CFCAF CGCOG CHCHE CICIV CKCOK CLCHL CMCMR CNCHN COCOL CRCRI CUCUB CVCPV CWCUW CXCXR \
    CYCYP CZCZE DEDEU DJDJI DKDNK DMDMA DODOM DZDZA ECECU EEEST EGEGY EHESH ERERI ESESP ETETH FIFIN FJFJI FKFLK \
    FMFSM FOFRO FRFRA GAGAB GBGBR GDGRD GEGEO GFGUF GGGGY GHGHA GIGIB GLGRL GMGMB GNGIN GPGLP GQGNQ GRGRC GSSGS \
    GTGTM GUGUM GWGNB GYGUY HKHKG HMHMD HNHND HRHRV HTHTI HUHUN IDIDN IEIRL ILISR IMIMN ININD IOIOT IQIRQ IRIRN \
    ISISL ITITA JEJEY JMJAM JOJOR JPJPN KEKEN KGKGZ KHKHM KIKIR KMCOM KNKNA KPPRK KRKOR KWKWT KYCYM KZKAZ LALAO \
    LBLBN LCLCA LILIE LKLKA LRLBR LSLSO LTLTU LULUX LVLVA LYLBY MAMAR MCMCO MDMDA MEMNE MFMAF MGMDG MHMHL MKMKD \
    MLMLI MMMMR MNMNG MOMAC MPMNP MQMTQ MRMRT MSMSR MTMLT MUMUS MVMDV MWMWI MXMEX MYMYS MZMOZ NANAM NCNCL NENER \
    NFNFK NGNGA NINIC NLNLD NONOR NPNPL NRNRU NUNIU NZNZL OMOMN PAPAN PEPER PFPYF PGPNG PHPHL PKPAK PLPOL PMSPM \
    PNPCN PRPRI PSPSE PTPRT PWPLW PYPRY QAQAT REREU ROROU RSSRB RURUS RWRWA SASAU SBSLB SCSYC SDSDN SESWE SGSGP \
    SHSHN SISVN SJSJM SKSVK SLSLE SMSMR SNSEN SOSOM SRSUR SSSSD STSTP SVSLV SXSXM SYSYR SZSWZ TCTCA TDTCD TFATF \
    TGTGO THTHA TJTJK TKTKL TLTLS TMTKM TNTUN TOTON TRTUR TTTTO TVTUV TWTWN TZTZA UAUKR UGUGA UMUMI USUSA UYURY \
    UZUZB VAVAT VCVCT VEVEN VGVGB VIVIR VNVNM VUVUT WFWLF WSWSM YEYEM YTMYT ZAZAF ZMZMB ZWZWE";

/// The alpha-2 code, in upper case, of a country that is named by either code; `EL` and `UK`, as the EU writes them, included.
pub(super) fn alpha_2(code: &str) -> Option<&'static str> {
    let code = code.to_ascii_uppercase();
    let code = match code.as_str() {
        "EL" => "GR",
        "UK" => "GB",
        other => other,
    };
    CODES
        .split(' ')
        .map(|both| both.split_at(2))
        .find(|(two, three)| [*two, *three].contains(&code))
        .map(|(two, _)| two)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_country_is_found_by_either_code() {
        for (code, expected) in [
            ("SE", Some("SE")),
            ("SWE", Some("SE")),
            ("swe", Some("SE")),
            ("GRC", Some("GR")),
            ("EL", Some("GR")),
            ("UK", Some("GB")),
            ("ALA", Some("AX")),
            ("ZWE", Some("ZW")),
            ("", None),
            ("S", None),
            ("ES ", None),
            ("EAND", None),
            ("EUR", None),
            ("752", None),
        ] {
            assert_eq!(alpha_2(code), expected, "{code}");
        }
    }

    #[test]
    fn every_country_stands_once_with_both_codes() {
        let both: Vec<_> = CODES.split(' ').collect();
        assert_eq!(both.len(), 249);
        assert!(
            both.iter().all(|both| both.len() == 5 && both.bytes().all(|byte| byte.is_ascii_uppercase()))
        );
        let distinct = |part: fn(&str) -> &str| {
            both.iter().map(|both| part(both)).collect::<std::collections::BTreeSet<_>>().len()
        };
        assert_eq!([distinct(|both| &both[..2]), distinct(|both| &both[2..])], [249, 249]);
    }
}
