from awslambdaric import __main__ as awslambdaricmain
awslambdaricmain.main()
