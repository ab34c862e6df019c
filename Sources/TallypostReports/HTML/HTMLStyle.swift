/// The page's one style sheet. Colours keep a contrast of 4.5 to 1 in both schemes; print is black on white.
enum HTMLStyle {
    static let sheet = """
        :root{color-scheme:light dark;--bg:#fff;--ink:#1b2430;--soft:#52606f;--line:#d5dbe2;--band:#f4f6f9;--link:#0b5394;
        --good:#1b6e3c;--goodbg:#e7f4ec;--bad:#9c1f1f;--badbg:#fbeaea;--half:#7a4a00;--halfbg:#fdf2dd;
        --a:#2f6f9f;--b:#d98b1f;--s0:#8fa3b8;--s1:#d9a521;--s2:#cf5b1e;--s3:#8c1c2c}
        @media (prefers-color-scheme:dark){:root{--bg:#12161c;--ink:#e4e9ef;--soft:#a4b0bd;--line:#343d48;--band:#1a2028;--link:#84bdf0;
        --good:#7fd6a2;--goodbg:#14291d;--bad:#f49a9a;--badbg:#331a1c;--half:#f1c271;--halfbg:#2f2510;
        --a:#6aa9d8;--b:#e9a94a;--s0:#7d90a5;--s1:#e3b94a;--s2:#ee8650;--s3:#f0737f}}
        *{box-sizing:border-box}
        body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.5 system-ui,"Segoe UI","Liberation Sans","DejaVu Sans",sans-serif}
        main{max-width:74rem;margin:0 auto;padding:1.5rem 1.25rem 4rem}
        h1{font-size:1.7rem;line-height:1.2;margin:0 0 .25rem}h2{font-size:1.25rem;margin:2.6rem 0 .6rem;padding-bottom:.25rem;
        border-bottom:2px solid var(--line)}h3{font-size:1.02rem;margin:1.5rem 0 .4rem}p{margin:.4rem 0;max-width:48rem}
        a{color:var(--link);text-underline-offset:.15em}a:focus-visible{outline:3px solid var(--link);outline-offset:2px}
        .soft{color:var(--soft)}small{font-size:.85em}
        .verdict{border-left:.5rem solid;padding:.9rem 1.1rem;margin:1.1rem 0}.verdict strong{display:block;font-size:1.3rem}
        .clean{border-color:var(--good);background:var(--goodbg)}.clean strong{color:var(--good)}
        .breaks{border-color:var(--bad);background:var(--badbg)}.breaks strong{color:var(--bad)}
        .incomplete{border-color:var(--half);background:var(--halfbg)}.incomplete strong{color:var(--half)}
        .verdict ul{margin:.2rem 0 .6rem;padding-left:1.2rem}
        nav ul{list-style:none;display:flex;flex-wrap:wrap;gap:.25rem 1.1rem;padding:0;margin:.8rem 0}
        dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1.2rem;margin:.8rem 0}dt{color:var(--soft)}
        dd{margin:0;overflow-wrap:anywhere}
        .scroll{overflow-x:auto;max-width:100%}
        table{border-collapse:collapse;margin:.4rem 0 1rem;font-variant-numeric:tabular-nums;font-size:.93em}
        caption{text-align:left;font-weight:600;padding:.3rem 0}
        th,td{padding:.3rem .6rem;text-align:left;vertical-align:top;border-bottom:1px solid var(--line)}
        thead th{background:var(--band);border-bottom:2px solid var(--line);vertical-align:bottom}
        tbody th{font-weight:400}td.n,th.n{text-align:right;white-space:nowrap}.t{white-space:nowrap}
        tr.sum th,tr.sum td{font-weight:700;border-top:2px solid var(--soft)}tr.aside th,tr.aside td{color:var(--soft)}
        tr.aside th{padding-left:1.6rem}td.wrong{color:var(--bad);font-weight:700}
        .detail{width:100%;table-layout:fixed}.detail td,.detail th{overflow-wrap:anywhere}
        .detail .w1{width:19%}.detail .w2{width:22%}.detail .w3{width:13%}.detail .w4{width:18%}.detail .w5{width:28%}
        .detail td.money{text-align:right}
        .mono,code,pre{font-family:ui-monospace,"DejaVu Sans Mono","Liberation Mono",monospace;font-size:.88em}
        pre{background:var(--band);padding:.7rem .9rem;overflow-x:auto;white-space:pre-wrap;overflow-wrap:anywhere;border-radius:4px}
        .tag{display:inline-block;padding:0 .45em;border:1px solid;border-radius:3px;font-size:.85em;font-weight:600}
        .critical,.high{color:var(--bad)}.medium{color:var(--half)}.low{color:var(--soft)}
        .advice{border-left:4px solid var(--line);padding-left:.8rem}
        figure{margin:1rem 0 1.4rem}figcaption{font-weight:600;margin-bottom:.3rem}figcaption small{font-weight:400;display:block}
        svg{display:block;max-width:100%;height:auto}svg text{fill:var(--ink);font:12px system-ui,"Liberation Sans","DejaVu Sans",sans-serif}
        svg .axis{stroke:var(--line)}svg .quiet{fill:var(--soft)}.fa{fill:var(--a)}.fb{fill:var(--b)}
        .f0{fill:var(--s0)}.f1{fill:var(--s1)}.f2{fill:var(--s2)}.f3{fill:var(--s3)}
        .sign{width:100%;max-width:48rem}.sign td,.sign th{height:2.6rem;vertical-align:bottom}
        tr:target{outline:3px solid var(--link);outline-offset:-3px}
        @page{size:A4;margin:16mm 14mm 18mm;@bottom-left{content:"Tallypost reconciliation";font:8pt sans-serif;color:#444}
        @bottom-right{content:counter(page) " / " counter(pages);font:8pt sans-serif;color:#444}}
        @media print{:root{color-scheme:light;--bg:#fff;--ink:#000;--soft:#333;--line:#999;--band:#eee;--link:#000;--good:#000;
        --goodbg:#fff;--bad:#000;--badbg:#fff;--half:#000;--halfbg:#fff;--a:#444;--b:#aaa;--s0:#d5d5d5;--s1:#aaa;--s2:#707070;--s3:#111}
        body{font-size:9.5pt;line-height:1.35}main{max-width:none;padding:0}nav{display:none}a{text-decoration:none;color:inherit}
        .verdict{border:1.5pt solid #000;border-left-width:6pt}.scroll{overflow:visible}
        h1,h2,h3,caption,figcaption,.advice{break-after:avoid}h2{margin-top:1.4rem}tr,figure,.verdict,.sign,.keep,dl{break-inside:avoid}
        thead{display:table-header-group}p,li{orphans:3;widows:3}pre{background:#fff;border:.5pt solid #999;break-inside:auto;max-height:none}
        svg rect{print-color-adjust:exact;-webkit-print-color-adjust:exact}thead th{print-color-adjust:exact;-webkit-print-color-adjust:exact}
        table{font-size:.9em}th,td{padding:.18rem .4rem}}
        @media (max-width:40rem){main{padding:1rem .8rem 3rem}dl{grid-template-columns:1fr;gap:0}dt{margin-top:.5rem}
        .detail{table-layout:auto;min-width:46rem}}
        """
}
